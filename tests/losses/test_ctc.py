"""CTC losses per utterance."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from espnet_ee.losses import ctc_losses


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
