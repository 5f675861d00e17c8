"""Policies by hand: values, units, padding, the stop rule, the registry."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch

from espnet_ee.errors import ConfigError
from espnet_ee.policies import (
    Evidence,
    ExitPolicy,
    build_policy,
    policy_names,
    register_policy,
    stops,
)
from espnet_ee.replay import first_exit

V = 5
CERTAINTY = ("entropy", "confidence", "margin", "spoken_entropy", "spoken_confidence")


def evidence(log_probs, lengths=None, layer=4):
    lengths = [log_probs.shape[1]] * len(log_probs) if lengths is None else lengths
    return Evidence(1, layer, log_probs, torch.tensor(lengths), torch.arange(len(lengths)))


def score(name, *args, **kwargs):
    return build_policy(name).score(evidence(*args, **kwargs), [])


def peaked(frames):
    """Certain of label 2: probability 1, all others exactly 0."""
    log_probs = torch.full((1, frames, V), -torch.inf)
    log_probs[:, :, 2] = 0.0
    return log_probs


def uniform(frames):
    return torch.full((1, frames, V), -math.log(V))


def test_entropy_of_uniform_posteriors_is_minus_ln_v():
    assert score("entropy", uniform(3)).item() == pytest.approx(-math.log(V), rel=1e-6)


def test_entropy_of_certainty_is_zero_even_with_log_zero():
    assert score("entropy", peaked(3)).item() == 0.0


def test_confidence_runs_from_one_over_v_to_one():
    assert score("confidence", uniform(4)).item() == pytest.approx(1 / V)
    assert score("confidence", peaked(4)).item() == 1.0


def test_both_are_means_over_frames():
    mixed = torch.cat([uniform(1), peaked(3)], dim=1)
    assert score("entropy", mixed).item() == pytest.approx(-math.log(V) / 4, rel=1e-6)
    assert score("confidence", mixed).item() == pytest.approx((1 / V + 3) / 4)


def test_entropy_by_hand():
    probs = torch.tensor([[[0.5, 0.25, 0.25, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4, 0.0]]])
    first = 0.5 * math.log(2) + 0.5 * math.log(4)
    second = -sum(p * math.log(p) for p in (0.1, 0.2, 0.3, 0.4))
    assert score("entropy", probs.log()).item() == pytest.approx(-(first + second) / 2, rel=1e-6)
    assert score("confidence", probs.log()).item() == pytest.approx(0.45)


def test_margin_by_hand():
    probs = torch.tensor([[[0.5, 0.3, 0.2, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4, 0.0]]])
    assert score("margin", probs.log()).item() == pytest.approx(0.15)
    assert score("margin", uniform(3)).item() == 0.0 and score("margin", peaked(3)).item() == 1.0


def test_spoken_frames_are_those_whose_likeliest_label_is_no_blank():
    probs = torch.tensor([[[0.8, 0.2, 0.0, 0.0, 0.0], [0.4, 0.6, 0.0, 0.0, 0.0]]])
    entropy = 0.4 * math.log(0.4) + 0.6 * math.log(0.6)
    assert score("spoken_entropy", probs.log()).item() == pytest.approx(entropy, rel=1e-6)
    assert score("spoken_confidence", probs.log()).item() == pytest.approx(0.6)


def test_all_blank_is_no_reason_to_stop():
    silent = torch.full((1, 3, V), -torch.inf)
    silent[:, :, 0] = 0.0
    assert score("spoken_entropy", silent).item() == pytest.approx(-math.log(V))
    assert score("spoken_confidence", silent).item() == 0.0


@pytest.mark.parametrize(
    ("name", "garbage"),
    product(CERTAINTY, (math.nan, math.inf, -math.inf, 0.0, 5.0)),
)
def test_padding_never_counts(name, garbage):
    log_probs = torch.randn(2, 6, V, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    alone = score(name, log_probs[1:, :2])
    log_probs[1, 2:] = garbage
    assert score(name, log_probs, [6, 2])[1] == pytest.approx(alone.item())


def test_a_nan_frame_makes_the_score_unknown():
    log_probs = uniform(3)
    log_probs[0, 1, 0] = math.nan
    assert score("entropy", log_probs).isnan().all()
    assert not stops(score("entropy", log_probs), -math.inf, last=False).any()


def test_layer_scores_the_layer_and_reads_nothing():
    policy = build_policy("layer")
    now = Evidence(2, 6, None, torch.tensor([4, 9]), torch.arange(2))
    assert policy.score(now, []).tolist() == [6.0, 6.0]
    assert not policy.reads_posteriors and policy.score_flops_per_posterior == 0


def test_taken_evidence_is_cut_to_the_longest():
    log_probs = torch.arange(24.0).view(3, 4, 2)
    kept = evidence(log_probs, [4, 1, 2]).take(torch.tensor([1, 2]))
    assert kept.lengths.tolist() == [1, 2] and kept.log_probs.equal(log_probs[1:, :2])
    assert kept.utterances.tolist() == [1, 2]
    nobody = evidence(log_probs, [4, 1, 2]).take(torch.tensor([], dtype=torch.int64))
    assert len(nobody.lengths) == 0 and nobody.log_probs.shape == (0, 0, 2)
    unread = Evidence(0, 2, None, torch.tensor([4, 1]), torch.arange(2)).take(torch.tensor([0]))
    assert unread.log_probs is None and unread.lengths.tolist() == [4]


def test_joined_evidence_is_padded_to_the_longest():
    log_probs = torch.arange(24.0).view(3, 4, 2)
    whole = evidence(log_probs, [4, 1, 2])
    parts = [whole.take(torch.tensor(rows)) for rows in ([2, 1], [0])]
    joined = Evidence.join(parts)
    assert joined.utterances.tolist() == [2, 1, 0] and joined.lengths.tolist() == [2, 1, 4]
    for row, utterance, frames in zip(joined.log_probs, (2, 1, 0), (2, 1, 4), strict=True):
        assert row[:frames].equal(log_probs[utterance, :frames])
    unread = Evidence(0, 2, None, torch.tensor([4, 1]), torch.arange(2))
    assert Evidence.join([unread, unread]).log_probs is None


def test_stops():
    scores = torch.tensor([0.4, 0.5, 0.6, math.nan])
    assert stops(scores, 0.5, last=False).tolist() == [False, True, True, False]
    assert stops(scores, -math.inf, last=False).tolist() == [True, True, True, False]
    assert stops(scores, math.inf, last=False).tolist() == [False] * 4
    assert stops(scores, math.inf, last=True).tolist() == [True] * 4
    assert stops(scores, math.nan, last=False).tolist() == [False] * 4


@pytest.mark.parametrize("seed", range(5))
def test_live_and_replayed_comparisons_agree_to_the_last_bit(seed):
    """float32(0.7) is below 0.7: a threshold rounded to float32 would stop where replay goes on."""
    rng = np.random.default_rng(seed)
    thresholds = [0.7, 0.1, 0.3, *rng.uniform(-2, 1, 200)]
    for threshold in thresholds:
        scores = torch.tensor([threshold, 0.5], dtype=torch.float32)
        live = stops(scores, threshold, last=False)[0].item()
        assert live == (first_exit(np.array([scores.tolist()]), threshold)[0] == 0)


def test_the_registry():
    assert policy_names()[:3] == ("layer", "entropy", "confidence")
    for name in policy_names():
        policy = build_policy(name)
        assert policy.name == name and policy.unit
        assert hash(policy) == hash(build_policy(name)) and policy == build_policy(name)


def test_an_unknown_policy_names_the_nearest_and_all():
    with pytest.raises(ConfigError) as error:
        build_policy("entropie")
    assert str(error.value).splitlines() == [
        "unknown policy 'entropie'.",
        f"  want: {', '.join(policy_names())}",
        "  fix:  did you mean entropy?",
    ]
    with pytest.raises(ConfigError) as error:
        build_policy("xyz")
    assert "did you mean" not in str(error.value)


def test_a_name_is_taken_once():
    with pytest.raises(ConfigError, match="'entropy' is registered already"):
        register_policy(type(build_policy("entropy")))


def test_a_policy_without_a_score_is_abstract():
    class Empty(ExitPolicy):
        name, unit = "empty", "none"

    with pytest.raises(TypeError, match="abstract"):
        Empty()
