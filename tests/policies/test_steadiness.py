"""Steadiness by hand: the window over three exits, the cosine of hidden states."""

from __future__ import annotations

import math

import pytest
import torch

from espnet_ee.policies import Evidence, build_policy


def exit_of(probabilities, lengths=None, hidden=None, index=0):
    log_probs = torch.tensor(probabilities).log()
    lengths = [log_probs.shape[1]] * len(log_probs) if lengths is None else lengths
    rows = torch.arange(len(log_probs))
    return Evidence(index, 2 * index + 2, log_probs, torch.tensor(lengths), rows, hidden)


def window(*exits):
    *before, now = exits
    return build_policy("window").score(now, [exit.passed() for exit in before]).tolist()


def test_the_first_exit_has_no_window():
    assert window(exit_of([[[0.0, 1.0]]])) == [0.0]


def test_the_least_posterior_of_frames_whose_label_stays():
    # Frame 0 stays with label 1, frame 1 changes its label.
    first = exit_of([[[0.2, 0.8], [0.6, 0.4]]])
    second = exit_of([[[0.3, 0.7], [0.1, 0.9]]])
    assert window(first, second) == pytest.approx([0.7 / 2])
    assert window(second, second) == pytest.approx([(0.7 + 0.9) / 2])


def test_it_looks_back_over_three_exits_and_no_further():
    sure, unsure, other = (exit_of([[[1 - p, p]]]) for p in (0.9, 0.6, 0.2))
    assert window(unsure, sure, sure) == pytest.approx([0.6])
    assert window(unsure, sure, sure, sure) == pytest.approx([0.9])
    assert window(other, sure, sure) == [0.0] and window(other, sure, sure, sure)[0] > 0


def test_padding_never_counts():
    padded = exit_of([[[0.1, 0.9], [0.5, 0.5], [math.nan, math.nan]]], lengths=[1])
    assert window(padded, padded) == pytest.approx([0.9])


def test_cosine_by_hand():
    before = exit_of([[[0.5, 0.5]] * 2], hidden=torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]))
    now = exit_of([[[0.5, 0.5]] * 2], hidden=torch.tensor([[[2.0, 0.0], [1.0, 1.0]]]))
    cosine = build_policy("cosine")
    score = cosine.score(now, [before.passed(keep_hidden=True)])
    assert score.tolist() == pytest.approx([(1 + 1 / math.sqrt(2)) / 2])
    assert cosine.score(now, []).tolist() == [-1.0]
    short = Evidence(1, 4, None, torch.tensor([1]), now.utterances, now.hidden)
    assert cosine.score(short, [before.passed(keep_hidden=True)]).tolist() == [1.0]


def test_hidden_states_are_kept_only_where_asked_for():
    now = exit_of([[[0.5, 0.5]]], hidden=torch.ones(1, 1, 2))
    assert now.passed().hidden is None and now.passed().log_probs is None
    assert now.passed(keep_hidden=True).hidden is now.hidden
