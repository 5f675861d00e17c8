"""Policies that compare exits, by hand: counts, distances, edges, and what they keep."""

from __future__ import annotations

import math

import pytest
import torch

from espnet_ee.decoding.history import History
from espnet_ee.policies import Evidence, build_policy

V = 4


def exit_of(*rows, index=0, lengths=None):
    """Evidence whose likeliest labels are ``rows``, blank (0) beyond each row's end."""
    lengths = [len(row) for row in rows] if lengths is None else lengths
    log_probs = torch.full((len(rows), max(map(len, rows)), V), math.log(0.1))
    for place, row in enumerate(rows):
        for frame, label in enumerate(row):
            log_probs[place, frame, label] = math.log(0.7)
    numbers = torch.arange(len(rows))
    return Evidence(index, 2 * index + 2, log_probs, torch.tensor(lengths), numbers)


def scores(name, *exits):
    *passed, now = exits
    return build_policy(name).score(now, [exit.passed() for exit in passed]).tolist()


ONE, SAME, OTHER = [1, 1, 0, 2], [0, 1, 2, 2], [1, 0, 1, 2]  # texts 1 2, 1 2, 1 1 2


def test_patience_counts_exits_in_a_row_that_say_the_same():
    assert scores("patience", exit_of(ONE)) == [0.0]
    assert scores("patience", exit_of(ONE), exit_of(SAME)) == [1.0]
    assert scores("patience", exit_of(ONE), exit_of(SAME), exit_of(ONE)) == [2.0]
    assert scores("patience", exit_of(ONE), exit_of(OTHER), exit_of(ONE)) == [0.0]
    assert scores("patience", exit_of(OTHER), exit_of(ONE), exit_of(ONE)) == [1.0]


def test_each_utterance_has_a_patience_of_its_own():
    """PABEE's code resets the counter of the whole batch."""
    first, second = exit_of(ONE, ONE), exit_of(OTHER, SAME)
    assert scores("patience", first, second) == [0.0, 1.0]


def test_agreement_is_one_less_the_edit_distance_per_token():
    assert scores("agreement", exit_of(ONE)) == [0.0]
    assert scores("agreement", exit_of(ONE), exit_of(SAME)) == [1.0]
    assert scores("agreement", exit_of(ONE), exit_of(OTHER)) == pytest.approx([2 / 3])
    assert scores("agreement", exit_of([0, 0]), exit_of([0, 0])) == [1.0]
    assert scores("agreement", exit_of([0, 0]), exit_of([0, 3])) == [0.0]


def test_alignment_looks_at_frames_and_not_at_padding():
    assert scores("alignment", exit_of(ONE)) == [0.0]
    assert scores("alignment", exit_of(ONE), exit_of(SAME)) == [0.5]
    short, long = [1, 2], [1, 1, 1, 1]
    before = exit_of(short, long, lengths=[2, 4])
    now = exit_of([1, 3], [1, 1, 1, 2], lengths=[2, 4])
    assert scores("alignment", before, now) == [0.5, 0.75]


@pytest.mark.parametrize("name", ["patience", "agreement", "alignment"])
def test_padding_never_counts(name):
    before = exit_of([1, 2, 3, 1], [1, 2], lengths=[4, 2])
    now = exit_of([1, 2, 3, 1], [1, 2], lengths=[4, 2])
    alone = scores(name, exit_of([1, 2]), exit_of([1, 2]))
    now.log_probs[1, 2:] = torch.nan
    assert scores(name, before, now)[1:] == alone


@pytest.mark.parametrize("name", ["patience", "agreement", "alignment"])
def test_one_frame_and_two_labels(name):
    log_probs = torch.tensor([[[0.2, 0.8]]]).log()
    exits = [Evidence(n, n, log_probs, torch.tensor([1]), torch.tensor([0])) for n in (1, 2)]
    assert scores(name, *exits) == [1.0]


def test_what_passed_keeps_labels_only():
    now = exit_of(ONE, OTHER)
    passed = now.passed()
    assert passed.log_probs is None and passed.labels.equal(now.labels)
    history = History()
    history.add(passed)
    history.add(exit_of(SAME, SAME, index=1).passed().take(torch.tensor([0, 1])))
    history.forget(torch.tensor([0]))
    [first, second] = history.of(torch.tensor([1]))
    assert first.labels.tolist() == [OTHER] and second.labels.tolist() == [SAME]


def test_a_policy_that_reads_nothing_keeps_nothing():
    unread = Evidence(0, 2, None, torch.tensor([4]), torch.arange(1)).passed()
    assert unread.log_probs is None and unread.best is None
