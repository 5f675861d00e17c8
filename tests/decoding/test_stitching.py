"""Pieces of known words, heard with small errors, become the words once each, in order."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from espnet_ee.decoding.stitching import stitch
from espnet_ee.decoding.words import Word

OVERLAP = 2.0
FRAME = 0.04


def word(text: str, start: float, end: float) -> Word:
    return Word(text, start, end, 0.9)


def speech(draw: random.Random, count: int) -> list[Word]:
    """Words of 0.1 to 0.7 s, with or without a pause between; few texts, so that some repeat."""
    words, now = [], 0.0
    for _ in range(count):
        now += draw.choice([0.04, 0.08, 0.5])
        length = draw.uniform(0.1, 0.7)
        words.append(word(draw.choice(["A", "B", "C", "NINE", "SIX"]), now, now + length))
        now += length
    return words


def heard(words: list[Word], start: float, end: float, draw: random.Random) -> list[Word]:
    """What a piece says: times a frame off; words that it has cut are garbled."""
    said = []
    for one in words:
        if one.end_sec <= start or one.start_sec >= end:
            continue
        left, right = max(one.start_sec, start), min(one.end_sec, end)
        whole = (left, right) == (one.start_sec, one.end_sec)
        jitter = draw.choice([-FRAME, 0.0, FRAME]) / 2
        said.append(word(one.text if whole else "CUT", left + jitter, right + jitter))
    return said


@pytest.mark.parametrize("seed", range(100))
def test_every_word_once_and_in_order(seed):
    draw = random.Random(seed)
    words = speech(draw, 60)
    seams, now = [], 0.0
    while now < words[-1].end_sec - 6.0:  # anywhere, in the middle of words too
        now += draw.uniform(4.0, 6.0)
        seams.append(now)
    starts = [0.0, *(seam - OVERLAP / 2 for seam in seams)]
    ends = [*(seam + OVERLAP / 2 for seam in seams), words[-1].end_sec + 1]
    pieces = [heard(words, a, b, draw) for a, b in zip(starts, ends, strict=True)]
    stitched = stitch(pieces, seams)
    assert [one.text for one in stitched] == [one.text for one in words]
    assert all(a.end_sec <= b.start_sec for a, b in pairwise(stitched))
    assert all(one.start_sec <= one.end_sec for one in stitched)


def test_without_overlap_nothing_is_dropped():
    first, second = [word("A", 0.0, 1.0)], [word("B", 1.0, 2.0)]
    assert stitch([first, second], [1.0]) == first + second


def test_words_in_the_other_pieces_half_are_dropped():
    first = [word("A", 0.0, 0.4), word("NOISE", 5.6, 5.9)]
    second = [word("NOISE", 4.1, 4.4), word("B", 6.2, 6.5)]
    assert [one.text for one in stitch([first, second], [5.0])] == ["A", "B"]


@pytest.mark.parametrize("shift", [-0.16, -0.08, -0.04, 0.0, 0.04, 0.08, 0.16])
def test_a_short_word_on_the_seam_is_said_once(shift):
    first, second = [word("O", 4.98, 5.02)], [word("O", 4.98 + shift, 5.02 + shift)]
    assert [one.text for one in stitch([first, second], [5.0])] == ["O"]


def test_what_one_piece_hears_as_two_words_replaces_the_other():
    first, second = [word("GOING", 4.4, 5.2)], [word("GO", 4.4, 4.7), word("IN", 4.9, 5.2)]
    assert [one.text for one in stitch([first, second], [5.0])] == ["GOING"]
    assert [one.text for one in stitch([first, second], [4.6])] == ["GO", "IN"]


def test_equal_words_in_a_row_stay():
    said = [word("NO", start, start + 0.3) for start in (4.0, 4.5, 5.0, 5.5)]
    for seam in (4.3, 4.65, 4.9, 5.2):
        assert stitch([said, said], [seam]) == said


def test_pieces_that_say_nothing():
    only = [word("A", 6.0, 6.4)]
    assert stitch([[], [], only], [2.0, 5.0]) == only
    assert stitch([[], []], [2.0]) == []
    assert stitch([only], []) == only
