"""Pieces are all of the audio, none too long, cut where it is quiet, read as they are needed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from espnet_ee.data.blocks import Blocks, blocks_of_wave
from espnet_ee.data.cutting import LAST_SEC, CutOptions, cut, quietest
from espnet_ee.errors import ConfigError, DataError

RATE = 1000
SIZES = [
    CutOptions(10.0, 2.0, 3.0),
    CutOptions(10.0, 2.0, 0.0),
    CutOptions(10.0, 0.0, 3.0),
    CutOptions(10.0, 0.0, 0.0),
    CutOptions(10.0, 4.0, 4.0),
    CutOptions(8.0),
]


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.standard_normal(round(seconds * RATE)).astype(np.float32)


def in_blocks(samples: np.ndarray, *places: int) -> Blocks:
    return Blocks("it", RATE, iter(np.split(samples, places)))


def cut_wave(samples: np.ndarray, options: CutOptions):
    return list(cut(blocks_of_wave(samples, RATE, "it"), options))


@pytest.mark.parametrize("options", SIZES, ids=str)
@pytest.mark.parametrize("seconds", [0.5, 9.9, 10.0, 10.001, 10.5, 11.0, 11.001, 17.3, 63.21])
def test_pieces_cover_everything_once_but_for_their_overlap(seconds, options):
    samples = noise(seconds)
    pieces = cut_wave(samples, options)
    seams = [0.0, *(piece.seam_sec for piece in pieces[:-1]), seconds]
    assert pieces[-1].seam_sec == math.inf
    joined = [
        piece.samples[round((a - piece.start_sec) * RATE) : round((b - piece.start_sec) * RATE)]
        for piece, (a, b) in zip(pieces, pairwise(seams), strict=True)
    ]
    assert np.array_equal(np.concatenate(joined), samples)
    for piece in pieces:
        assert len(piece.samples) <= options.max_sec * RATE
        assert len(piece.samples) == round((piece.end_sec - piece.start_sec) * RATE)
        start = round(piece.start_sec * RATE)
        assert np.array_equal(piece.samples, samples[start : start + len(piece.samples)])
        assert len(pieces) == 1 or len(piece.samples) >= LAST_SEC * RATE - 1
    for before, after in pairwise(pieces):
        assert before.end_sec - after.start_sec == pytest.approx(options.overlap_sec)
        middle = (before.end_sec + after.start_sec) / 2
        assert before.seam_sec == pytest.approx(middle)


@pytest.mark.parametrize("options", SIZES, ids=str)
def test_up_to_the_longest_piece_nothing_is_cut(options):
    samples = noise(options.max_sec)
    [piece] = cut_wave(samples, options)
    assert np.array_equal(piece.samples, samples)
    assert len(cut_wave(noise(options.max_sec + 0.001), options)) == 2


def test_an_infinite_piece_is_never_cut():
    samples = noise(100.0)
    [piece] = cut_wave(samples, CutOptions(math.inf, 0.0, 0.0))
    assert np.array_equal(piece.samples, samples)
    [piece] = cut_wave(samples, CutOptions(math.inf))
    assert piece.end_sec == 100.0


@pytest.mark.parametrize("places", [(), (1, 2, 3), (9_999, 10_000), tuple(range(100, 30_000, 777))])
def test_blocks_do_not_matter(places):
    samples, options = noise(30.0), CutOptions(10.0, 2.0, 3.0)
    for one, other in zip(
        cut(in_blocks(samples, *places), options), cut_wave(samples, options), strict=True
    ):
        assert (one.start_sec, one.end_sec, one.seam_sec) == (
            other.start_sec,
            other.end_sec,
            other.seam_sec,
        )
        assert np.array_equal(one.samples, other.samples)


def test_cuts_are_in_the_pauses():
    samples = noise(60.0)
    pauses = [(start, start + 0.4) for start in np.arange(3.1, 58.0, 4.3)]
    for start, end in pauses:
        samples[round(start * RATE) : round(end * RATE)] *= 0.01
    pieces = cut_wave(samples, CutOptions(10.0, 1.0, 5.0))
    assert len(pieces) > 5
    for piece in pieces[:-1]:
        [pause] = [pause for pause in pauses if pause[0] < piece.seam_sec < pause[1]]
        assert pause[0] + 0.09 < piece.seam_sec < pause[1] - 0.09


def test_fixed_windows():
    pieces = cut_wave(noise(30.0), CutOptions(10.0, 2.0, 0.0))
    assert [(p.start_sec, p.end_sec) for p in pieces] == [(0, 10), (8, 18), (16, 26), (24, 30)]


def test_of_long_silence_the_middle_is_the_quietest():
    samples = noise(3.0)
    samples[1000:2000] = 0.0
    assert abs(quietest(samples, RATE) - 1500) <= 20
    assert abs(quietest(np.zeros(3000, np.float32), RATE) - 1500) <= 20


def test_no_more_is_read_than_a_piece_and_a_block():
    read = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(1000):
            read += RATE
            yield noise(1.0)

    for piece in cut(Blocks("it", RATE, blocks()), CutOptions(10.0, 2.0, 3.0)):
        ahead = read / RATE - piece.end_sec
        assert ahead <= 3.0 + LAST_SEC + 1.0  # the search, what a last piece needs, a block
    assert read == 1000 * RATE


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_name_their_time(bad):
    samples = noise(100.0)
    samples[[73_250, 73_260]] = bad
    with pytest.raises(DataError, match=r"NaN or infinite\)\.\n  got:  2 of them from 73\.25 s on"):
        cut_wave(samples, CutOptions(10.0, 2.0, 3.0))


def test_no_samples():
    with pytest.raises(DataError, match="it has zero samples"):
        cut_wave(noise(0.0), CutOptions())


@pytest.mark.parametrize(
    "sizes",
    [
        (10.0, 10.0, 0.0),
        (10.0, 12.0, 0.0),
        (10.0, 2.0, 7.0),
        (10.0, -1.0, 0.0),
        (10.0, 0.0, -1.0),
        (0.0, 0.0, 0.0),
        (math.nan, 2.0, 3.0),
        (10.0, math.nan, 3.0),
        (10.0, 2.0, math.nan),
    ],
)
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(ConfigError, match="cannot be cut so") as error:
        CutOptions(*sizes)
    assert f"{sizes[0]:g} s pieces" in str(error.value)
