"""Every policy on what is short, empty or silent: one score per utterance, the same alone."""

from __future__ import annotations

import math

import pytest
import torch
from model_factory import TOKENS, make_policy

from espnet_ee.policies import Evidence, policy_names

D = 4


def exits_of(log_probs, lengths, index):
    hidden = torch.randn(*log_probs.shape[:2], D, generator=torch.Generator().manual_seed(index))
    rows = torch.arange(len(log_probs))
    return Evidence(index, 2 * index + 2, log_probs, torch.tensor(lengths), rows, hidden)


def blanks(batch, frames, labels):
    """Certain of silence: other labels have probability 0."""
    log_probs = torch.full((batch, frames, labels), -math.inf)
    log_probs[:, :, 0] = 0.0
    return log_probs


def random(batch, frames, labels):
    return torch.randn(
        batch, frames, labels, generator=torch.Generator().manual_seed(1)
    ).log_softmax(-1)


CASES = {
    "one frame": (random(2, 1, len(TOKENS)), [1, 1]),
    "one frame of silence": (blanks(2, 1, len(TOKENS)), [1, 1]),
    "silence": (blanks(2, 5, len(TOKENS)), [5, 3]),
    "two labels": (random(2, 5, 2), [5, 2]),
    "two labels, silence": (blanks(2, 5, 2), [5, 2]),
}


def score(policy, log_probs, lengths, exits):
    history = [
        exits_of(log_probs, lengths, index).passed(policy.reads_hidden) for index in range(exits)
    ]
    return policy.score(exits_of(log_probs, lengths, exits), history)


@pytest.mark.parametrize("exits", [0, 1, 3])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", policy_names())
def test_a_score_for_each_utterance(name, case, exits):
    policy, (log_probs, lengths) = make_policy(name, (2, 4, 6, 8), D), CASES[case]
    scores = score(policy, log_probs, lengths, exits)
    assert scores.shape == (2,) and not scores.isinf().any()
    if case == "one frame of silence":
        one, other = scores.tolist()
        assert one == pytest.approx(other, nan_ok=True) or name in ("cosine", "clusters")


@pytest.mark.parametrize("name", policy_names())
def test_padding_says_nothing(name):
    policy, (log_probs, lengths) = make_policy(name, (2, 4, 6, 8), D), CASES["silence"]
    loud = log_probs.clone()
    loud[1, lengths[1] :] = math.nan
    expected = score(policy, log_probs, lengths, 2)
    assert torch.allclose(score(policy, loud, lengths, 2), expected, equal_nan=True)
