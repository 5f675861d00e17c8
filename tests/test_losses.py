"""CTC losses per utterance and exit weights."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from espnet_ee.errors import ConfigError
from espnet_ee.losses import ctc_losses, exit_weights


def brute_force(log_probs, target):
    """Minus the log of the summed probability of all paths that collapse to ``target``."""
    total = 0.0
    for path in product(range(log_probs.shape[1]), repeat=len(log_probs)):
        merged = [v for i, v in enumerate(path) if v and (i == 0 or path[i - 1] != v)]
        if merged == target:
            total += math.exp(sum(log_probs[t, v].item() for t, v in enumerate(path)))
    return -math.log(total)


@pytest.mark.parametrize("seed", range(5))
def test_every_utterance_against_a_brute_force(seed):
    logits = torch.randn(3, 6, 3, generator=torch.Generator().manual_seed(seed))
    lengths, target_lengths = torch.tensor([6, 4, 3]), torch.tensor([3, 2, 1])
    targets = torch.tensor([[1, 1, 2], [2, 1, -1], [2, -1, -1]])
    losses = ctc_losses(logits, lengths, targets, target_lengths)
    for row, (t, u) in enumerate(zip(lengths.tolist(), target_lengths.tolist(), strict=True)):
        expected = brute_force(logits[row, :t].log_softmax(-1), targets[row, :u].tolist())
        assert losses[row].item() == pytest.approx(expected, abs=1e-4)


def test_an_utterance_without_alignment_counts_nothing_and_teaches_nothing():
    logits = torch.randn(2, 4, 3, requires_grad=True)
    targets, target_lengths = torch.tensor([[1, 1, 1], [1, 2, -1]]), torch.tensor([3, 2])
    losses = ctc_losses(logits, torch.tensor([4, 4]), targets, target_lengths)
    assert losses[0] == 0 and losses[1] > 0  # 1 1 1 needs two blanks between
    losses.sum().backward()
    assert (logits.grad[0] == 0).all() and logits.grad[1].any()


def test_an_empty_text_is_all_blanks():
    logits = torch.randn(1, 4, 3)
    loss = ctc_losses(
        logits, torch.tensor([4]), torch.zeros(1, 0, dtype=torch.long), torch.tensor([0])
    )
    assert loss.item() == pytest.approx(-logits.log_softmax(-1)[0, :, 0].sum().item(), rel=1e-5)


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
