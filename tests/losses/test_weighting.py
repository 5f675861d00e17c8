"""Per-exit losses to one scalar: fixed, learned and by confidence."""

from __future__ import annotations

import math

import pytest
import torch

from espnet_ee.errors import ConfigError
from espnet_ee.losses import build_weighting, exit_weights, sentence_confidence

LOSSES = torch.tensor([2.0, 4.0, 9.0])
UNSURE = torch.tensor([1.0, 0.5, 0.02])


@pytest.mark.parametrize("exits", [1, 2, 3, 6, 12])
def test_depth_weights_sum_to_one_and_rise(exits):
    weights = exit_weights("depth", exits)
    assert len(weights) == exits and sum(weights) == pytest.approx(1.0)
    assert all(
        b - a == pytest.approx(weights[0]) for a, b in zip(weights, weights[1:], strict=False)
    )


@pytest.mark.parametrize("exits", [1, 3, 6])
def test_uniform_weights_are_the_plain_sum(exits):
    assert exit_weights("uniform", exits) == (1.0,) * exits


def test_listed_weights_are_taken_as_they_are():
    assert exit_weights([0, 0.5, 2], 3) == (0.0, 0.5, 2.0)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("unifrom", "'unifrom' for 3 exits"),
        ([1.0, 2.0], "[1.0, 2.0] for 3 exits"),
        ([], "[] for 3 exits"),
        ([1.0, -1.0, 1.0], "not negative"),
        ([math.nan, 1.0, 1.0], "must be finite"),
        ([math.inf, 1.0, 1.0], "must be finite"),
        ([0.0, 0.0, 0.0], "not all zero"),
    ],
)
def test_wrong_weights_say_so(rule, text):
    with pytest.raises(ConfigError) as error:
        exit_weights(rule, 3)
    assert text in str(error.value) and "model_conf.exit_weights" in str(error.value)


def test_the_fix_can_be_typed():
    with pytest.raises(ConfigError) as error:
        exit_weights([1.0], 2)
    assert str(error.value).endswith("fix:  --model_conf exit_weights=[1.0,1.0]")


def test_fixed_weights_scale_the_mean_over_the_batch():
    weighting = build_weighting([0.5, 2.0], 2)
    assert weighting(0, LOSSES, UNSURE) == 2.5 and weighting(1, LOSSES, UNSURE) == 10.0
    assert (weighting.constant(0), weighting.constant(1)) == (0.5, 2.0)
    assert not list(weighting.parameters())


def test_confidence_weighs_each_utterance_and_at_most_tenfold():
    favour = build_weighting("confidence", 3)(0, LOSSES, UNSURE)
    assert favour.item() == pytest.approx((2.0 + 0.5 * 4.0 + 0.1 * 9.0) / 3)
    doubt = build_weighting("inverse_confidence", 3)(0, LOSSES, UNSURE)
    assert doubt.item() == pytest.approx((2.0 + 4.0 / 0.5 + 9.0 / 0.1) / 3)
    assert build_weighting("confidence", 3).constant(1) == 1.0


def test_uncertainty_settles_where_kendalls_formula_says():
    """exp(-s) L + s / 2 is least at s = log(2 L)."""
    weighting = build_weighting("uncertainty", 2)
    assert weighting(0, LOSSES, UNSURE).item() == pytest.approx(5.0), "starts as the plain sum"
    optimiser = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(1500):
        optimiser.zero_grad()
        (weighting(0, LOSSES, UNSURE) + weighting(1, 3 * LOSSES, UNSURE)).backward()
        optimiser.step()
    wanted = [math.log(2 * 5.0), math.log(2 * 15.0)]
    assert weighting.log_variance.tolist() == pytest.approx(wanted, abs=1e-2)


def test_confidence_of_a_sentence_is_the_geometric_mean_over_real_frames():
    probabilities = torch.tensor([[[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]], [[0.6, 0.4]] * 3])
    found = sentence_confidence(probabilities.log(), torch.tensor([3, 1]))
    assert found.tolist() == pytest.approx([(0.8 * 0.5 * 0.9) ** (1 / 3), 0.6])
    noisy = probabilities.log().clone()
    noisy[1, 1:] = torch.nan
    assert sentence_confidence(noisy, torch.tensor([3, 1])).tolist() == pytest.approx(
        found.tolist()
    )
