"""Errors by place: words err in their own slots, insertions in the gaps between them."""

from __future__ import annotations

import numpy as np
import pytest
from record_factory import make_record

from espnet_ee.comparison.alignment import Slots, errors_at_slots
from espnet_ee.scored_set import score_set


def at(reference: str, hypothesis: str) -> list[int]:
    return errors_at_slots([reference], [[hypothesis]])[:, 0].tolist()


def test_slots_of_words_and_gaps():
    slots = Slots.of(["A B", "", "C"])
    assert slots.utterance.tolist() == [0, 0, 0, 0, 0, 1, 2, 2, 2]
    assert slots.is_word.tolist() == [0, 1, 0, 1, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("hypothesis", "slots"),
    [
        ("A B C", [0, 0, 0, 0, 0, 0, 0]),
        ("A X C", [0, 0, 0, 1, 0, 0, 0]),
        ("A C", [0, 0, 0, 1, 0, 0, 0]),
        ("X A B C", [1, 0, 0, 0, 0, 0, 0]),
        ("A X Y B C", [0, 0, 2, 0, 0, 0, 0]),
        ("A B C X", [0, 0, 0, 0, 0, 0, 1]),
        ("", [0, 1, 0, 1, 0, 1, 0]),
    ],
)
def test_each_error_has_its_place(hypothesis, slots):
    assert at("A B C", hypothesis) == slots


def test_silence_has_one_gap():
    assert at("", "A B") == [2]
    assert at("", "") == [0]


@pytest.mark.parametrize("seed", range(3))
def test_they_add_up_to_the_word_errors(seed):
    record = make_record(40, seed=seed)
    references = [u.ref for u in record.utterances]
    texts = [[exit.text for exit in u.exits] for u in record.utterances]
    errors = errors_at_slots(references, texts)
    slots = Slots.of(references)
    assert errors.shape == (len(slots.utterance), 3)
    sums = [np.bincount(slots.utterance, column) for column in errors.T]
    assert (np.stack(sums, axis=1) == score_set(record).words.errors).all()
