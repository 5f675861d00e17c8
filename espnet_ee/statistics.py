"""Bootstrap intervals, resampling speakers. K columns, N units drawn, P points, U utterances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from espnet_ee.scoring import FloatArray, IntArray

Columns = Sequence[NDArray[Any]] | NDArray[Any]
"""``K`` of them, a number for each utterance, ``(U,)``."""

RESAMPLES = 2000
CONFIDENCE = 0.95

FEWEST_UNITS = 5  # below, intervals held the truth in 52 to 87 % of simulated sets, not in 95
_BLOCK = 2**22  # numbers drawn at once: some tens of MB


@dataclass(frozen=True)
class Units:
    """What is drawn whole: a speaker with all utterances, or one utterance for want of speakers.

    Attributes:
        numbers: Unit of each utterance from 0, ``(U,)``.
        name: ``speakers`` or ``utterances``.
        count: How many units there are.
        reason: Why not speakers; empty if they are.
    """

    numbers: IntArray
    name: str
    count: int
    reason: str = ""

    def sums(self, columns: Columns) -> FloatArray:
        """Add up each column ``(U,)`` of ``K`` over the utterances of each unit, ``(K, N)``."""
        return np.stack([np.bincount(self.numbers, row, self.count) for row in columns])


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of ``P`` figures.

    Attributes:
        low: Lower ends, ``(P,)``.
        high: Upper ends, ``(P,)``.
        units: What was resampled.
    """

    low: FloatArray
    high: FloatArray
    units: Units

    @property
    def method(self) -> str:
        """Say in one sentence how the intervals were made."""
        if self.units.count == 1:
            return "no interval: one utterance, whose rate stands for both ends"
        text = f"bootstrap with expanded percentiles over {self.units.count} {self.units.name}"
        if self.units.reason:
            text += f", as {self.units.reason}"
        if self.units.count < FEWEST_UNITS:
            text += f"; fewer than {FEWEST_UNITS} are too few, the ends are too close"
        return text


def units_of(speakers: Sequence[str | None]) -> Units:
    """Speakers, whose utterances share their difficulty; utterances if any has none or all one."""
    names = sorted({speaker for speaker in speakers if speaker is not None})
    if len(names) < 2 or None in speakers:
        reason = "fewer than 2 speakers are known"
        if len(names) > 1:
            missing = sum(speaker is None for speaker in speakers)
            reason = f"{missing} of {len(speakers)} have no speaker"
        return Units(np.arange(len(speakers), dtype=np.int64), "utterances", len(speakers), reason)
    number = {name: index for index, name in enumerate(names)}
    known = [number[speaker] for speaker in speakers if speaker is not None]
    return Units(np.array(known, dtype=np.int64), "speakers", len(names))


def error_rate_intervals(
    errors: IntArray,
    lengths: IntArray,
    speakers: Sequence[str | None],
    seed: int = 0,
) -> Intervals:
    """Return bootstrap intervals of errors over lengths; all points share the draws.

    Args:
        errors: ``(P, U)`` errors of each point.
        lengths: ``(U,)`` reference words.
        speakers: ``U`` names.
        seed: Of the resampling.

    Source: Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR
    performance evaluation", ICASSP 2004.
    """
    columns = np.stack([*errors, lengths])
    return bootstrap_intervals(columns, ratio_to_last, units_of(speakers), seed)


def ratio_to_last(sums: FloatArray) -> FloatArray:
    """All rows but the last over the last, ``(K - 1, ...)``; a draw may hold no reference word."""
    ratios: FloatArray = sums[:-1] / np.maximum(sums[-1], 1.0)
    return ratios


def bootstrap_intervals(
    columns: Columns,
    statistic: Callable[[FloatArray], FloatArray],
    units: Units,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Intervals:
    """Return expanded percentile intervals of figures that depend on sums over utterances.

    Plain percentiles are too narrow where few units are drawn. Their level is raised here so that
    the interval of a mean of normal values becomes as wide as Student's.

    Args:
        columns: ``K`` columns ``(U,)``.
        statistic: From ``K`` sums of each draw, ``(K, R)``, to the figures, ``(P, R)``. Draws in
            which a figure is NaN do not count for it.
        units: What is drawn, with replacement, as many as there are.
        seed: Of the draws.
        resamples: How many draws.

    Source: Hesterberg, "What Teachers Should Know About the Bootstrap", arXiv:1411.5279.
    """
    grouped = units.sums(columns)
    if units.count == 1:  # nothing to draw from
        only = statistic(grouped)[:, 0]
        return Intervals(only, only, units)
    figures = statistic(_drawn_sums(grouped, np.random.default_rng(seed), resamples))
    tail = expanded_tail(units.count)
    low, high = np.nanquantile(figures, [tail, 1.0 - tail], axis=1)
    return Intervals(low, high, units)


def _drawn_sums(grouped: FloatArray, rng: np.random.Generator, resamples: int) -> FloatArray:
    """Sums over the units of each draw, ``(K, R)``, from those of each unit, ``(K, N)``."""
    count, parts = grouped.shape[1], []
    for size in block_sizes(resamples, count):
        drawn = rng.integers(0, count, (size, count)) + np.arange(size)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        parts.append(grouped @ times.T.astype(np.float64))
    return np.concatenate(parts, axis=1)


def block_sizes(resamples: int, count: int) -> Iterator[int]:
    """Split draws of ``count`` numbers into blocks that fit into memory."""
    most = max(_BLOCK // count, 1)
    for start in range(0, resamples, most):
        yield min(most, resamples - start)


def expanded_tail(count: int, confidence: float = CONFIDENCE) -> float:
    """Share below the lower end, and above the upper, for ``count`` units, 2 or more."""
    from scipy.special import ndtr, stdtrit

    reach = math.sqrt(count / (count - 1)) * stdtrit(count - 1, (1.0 + confidence) / 2.0)
    return float(ndtr(-reach))
