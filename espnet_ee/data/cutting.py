"""Long audio to pieces that a model can take, cut where it is quietest.

Neighbours share ``overlap_sec`` around each cut, so that a word there is whole in one of them::

    piece 0  |----------------------c------|
    piece 1                  |------c---------------------c-----|
    piece 2                                        |------c-----------|

A cut ``c`` is the middle of the quietest fifth of a second among the last ``search_sec`` that the
piece may have. Voice activity detectors need weights or a threshold, the quietest moment neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from espnet_ee.data.audio import Samples
from espnet_ee.data.blocks import Blocks
from espnet_ee.errors import ConfigError, DataError

QUIET_SEC = 0.2  # long enough to be a pause, and not the closure of a plosive
STEP_SEC = 0.01  # between the moments that are looked at
LAST_SEC = 1.0  # the shortest last piece


@dataclass(frozen=True)
class CutOptions:
    """How long audio is cut.

    Attributes:
        max_sec: Longest piece; audio up to this length is not cut at all. Infinite: never cut.
        overlap_sec: What two neighbours both hold, half of it on either side of the cut.
        search_sec: The cut is the quietest moment among so many seconds; 0: as late as possible,
            which makes fixed windows; None: a quarter of a piece.

    Raises:
        ConfigError: A piece would not get on.
    """

    max_sec: float = 30.0
    overlap_sec: float = 2.0
    search_sec: float | None = None

    def __post_init__(self) -> None:
        fits = self.max_sec >= self.overlap_sec + self.searched_sec + 2 * LAST_SEC
        if not fits or min(self.overlap_sec, self.searched_sec) < 0:  # NaN fits nowhere
            raise ConfigError(
                "pieces of this length cannot be cut so.",
                got=f"{self.max_sec:g} s pieces, {self.overlap_sec:g} s overlap, "
                f"cut sought among {self.searched_sec:g} s",
                want="0 s or more of overlap and search, together at least "
                f"{2 * LAST_SEC:g} s shorter than a piece",
            )

    @property
    def searched_sec(self) -> float:
        """``search_sec``, or what it stands for."""
        return self.max_sec / 4 if self.search_sec is None else self.search_sec


@dataclass(frozen=True)
class Piece:
    """A part of longer audio.

    Attributes:
        samples: ``(N,)``, at the source's rate.
        start_sec: From the beginning of the audio.
        end_sec: Likewise.
        seam_sec: Likewise, where the next piece takes over; infinite for the last one.
    """

    samples: Samples
    start_sec: float
    end_sec: float
    seam_sec: float


def cut(audio: Blocks, options: CutOptions) -> Iterator[Piece]:
    """Pieces in order, from one reading; no more than a piece and a block are in memory.

    Raises:
        DataError: There are no samples, or some are NaN or infinite; the message names the time.
    """
    rate, longest = audio.rate, options.max_sec * audio.rate
    waiting: list[Samples] = []  # what is not yet cut
    start = heard = 0
    for block in audio.blocks:
        _check(block, heard, audio)
        waiting.append(block)
        heard += len(block)
        while heard - start >= longest + LAST_SEC * rate:
            piece, rest = _first_piece(np.concatenate(waiting), start, rate, options)
            yield piece
            waiting, start = [rest], heard - len(rest)
    if not heard:
        raise DataError(f"{audio.name} has zero samples.", fix="record or convert it again")
    rest = np.concatenate(waiting)
    if len(rest) > longest:
        piece, rest = _first_piece(rest, start, rate, options)
        yield piece
    yield _piece(rest, heard - len(rest), rate, math.inf)


def quietest(samples: Samples, rate: int) -> int:
    """The middle of the quietest ``QUIET_SEC`` of ``(N,)``; among equals, one in their middle."""
    width, step = round(QUIET_SEC * rate), max(1, round(STEP_SEC * rate))
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    inside = energy[width::step] - energy[:-width:step]
    equals = np.flatnonzero(inside == inside.min())
    return int(equals[len(equals) // 2]) * step + width // 2


def _first_piece(
    samples: Samples, start: int, rate: int, options: CutOptions
) -> tuple[Piece, Samples]:
    """The first piece of ``samples``, which are at ``start`` in the audio, and what is left."""
    place, half = _place(samples, rate, options), round(options.overlap_sec * rate / 2)
    return _piece(samples[: place + half], start, rate, start + place), samples[place - half :]


def _place(samples: Samples, rate: int, options: CutOptions) -> int:
    """Where the first piece of ``samples`` is cut: what is left is long enough for a piece."""
    half, around = options.overlap_sec / 2, QUIET_SEC / 2
    latest = min(options.max_sec - half, len(samples) / rate - LAST_SEC + half)
    if not options.searched_sec:
        return round(latest * rate)
    first = round((latest - options.searched_sec - around) * rate)
    return first + quietest(samples[first : round((latest + around) * rate)], rate)


def _piece(samples: Samples, start: int, rate: int, seam: float) -> Piece:
    return Piece(samples, start / rate, (start + len(samples)) / rate, seam / rate)


def _check(block: Samples, start: int, audio: Blocks) -> None:
    bad = np.flatnonzero(~np.isfinite(block))
    if len(bad):
        raise DataError(
            f"{audio.name} has samples that are not numbers (NaN or infinite).",
            got=f"{len(bad)} of them from {(start + bad[0]) / audio.rate:.2f} s on",
            fix="convert it again, e.g. to 16-bit integers",
        )
