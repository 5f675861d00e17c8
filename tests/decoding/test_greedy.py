"""Greedy CTC against a brute force."""

from __future__ import annotations

from itertools import groupby

import pytest
import torch

from espnet_ee.decoding.greedy import greedy_ctc
from espnet_ee.nn.alignment import BLANK


def brute_force(log_probs, length):
    """Collapse the best path of one utterance, a frame at a time."""
    path = [max(range(len(frame)), key=lambda v: frame[v]) for frame in log_probs[:length].tolist()]
    tokens = tuple(label for label, _ in groupby(path) if label != BLANK)
    return tokens, sum(max(frame) for frame in log_probs[:length].tolist())


@pytest.mark.parametrize("seed", range(10))
def test_brute_force(seed):
    generator = torch.Generator().manual_seed(seed)
    # Few labels, so that repeats and blanks are frequent.
    log_probs = torch.randn(6, 15, 3, generator=generator).log_softmax(-1)
    lengths = torch.tensor([15, 1, 7, 14, 2, 15])
    for path, row, length in zip(
        greedy_ctc(log_probs, lengths), log_probs, lengths.tolist(), strict=True
    ):
        tokens, log_prob = brute_force(row, length)
        assert path.tokens == tokens and path.log_prob == pytest.approx(log_prob, abs=1e-4)


def frames(labels, vocab=4):
    return torch.nn.functional.one_hot(torch.tensor([labels]), vocab).float().mul(9).log_softmax(-1)


@pytest.mark.parametrize(
    ("labels", "tokens"),
    [
        ([0, 0, 0], ()),
        ([1, 1, 1], (1,)),
        ([1, 0, 1], (1, 1)),
        ([1, 2, 2, 0, 2, 3], (1, 2, 2, 3)),
        ([0, 3], (3,)),
        ([3], (3,)),
    ],
)
def test_by_hand(labels, tokens):
    [path] = greedy_ctc(frames(labels), torch.tensor([len(labels)]))
    assert path.tokens == tokens


def test_padding_is_never_read():
    log_probs = torch.cat([frames([1, 2, 0]), frames([3, 3, 3])])
    log_probs[1, 1:] = torch.nan
    paths = greedy_ctc(log_probs, torch.tensor([3, 1]))
    assert [path.tokens for path in paths] == [(1, 2), (3,)]
    assert paths[1].log_prob == pytest.approx(log_probs[1, 0].max().item())


def test_the_input_is_left_as_it_is():
    log_probs = frames([1, 1, 2])
    before = log_probs.clone()
    greedy_ctc(log_probs, torch.tensor([2]))
    assert log_probs.equal(before)
