"""The posterior of the best of N texts: by hand, and where it must not be sure."""

from __future__ import annotations

import math

import pytest
import torch

from espnet_ee.policies import Evidence, build_policy, stops


def score(log_probs, lengths=None):
    lengths = [log_probs.shape[1]] * len(log_probs) if lengths is None else lengths
    now = Evidence(0, 2, log_probs, torch.tensor(lengths), torch.arange(len(lengths)))
    return build_policy("posterior").score(now, [])


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).log_softmax(-1)


def test_it_is_the_share_of_the_best_text_by_hand():
    """Two frames, one label: the texts are that label, 0.64, and nothing, 0.36."""
    log_probs = torch.tensor([[[0.6, 0.4], [0.6, 0.4]]]).log()
    assert score(log_probs).item() == pytest.approx(0.64)


def test_one_text_alone_is_unknown_and_never_stops():
    certain = torch.full((1, 3, 4), -torch.inf)
    certain[0, :, 2] = 0.0
    silent = torch.full((1, 3, 4), -torch.inf)
    silent[0, :, 0] = 0.0
    for only in (certain, silent):
        assert score(only).isnan().all()
        assert not stops(score(only), -math.inf, last=False).any()


def test_one_frame_and_two_labels():
    assert score(torch.tensor([[[0.3, 0.7]]]).log()).item() == pytest.approx(0.7)


def test_it_lies_between_a_tenth_and_one():
    values = score(4 * random(8, 20, 30))
    assert ((values >= 0.1) & (values <= 1.0)).all() and len(set(values.tolist())) == 8


@pytest.mark.parametrize("garbage", [math.nan, math.inf, -math.inf, 0.0])
def test_padding_never_counts(garbage):
    log_probs = random(2, 6, 5)
    alone = score(log_probs[1:, :2])
    log_probs[1, 2:] = garbage
    assert score(log_probs, [6, 2])[1] == alone[0]
