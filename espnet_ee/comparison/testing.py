"""Paired tests of two systems' errors. P pairs of systems, U utterances, S slots, N units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet_ee.comparison.alignment import Slots
from espnet_ee.scoring import FloatArray, IntArray
from espnet_ee.statistics import Units, block_sizes

BOUNDARY_WORDS = 2  # correct in a row, by both systems, between segments: as in NIST's sc_stats


@dataclass(frozen=True)
class SegmentTest:
    """A matched-pairs test over segments of sentences.

    Attributes:
        segments: Those in which at least one system errs.
        z: Mean difference over its standard error; positive if the second system errs more.
        p: Two-sided.
    """

    segments: int
    z: float
    p: float


def permutation_p_values(
    differences: IntArray, units: Units, seed: int = 0, resamples: int = 10_000
) -> FloatArray:
    """Return how often systems that are alike differ so much in total, ``(P,)``, two-sided.

    If they are alike, a unit's results may as well belong to the other system. All ways to swap
    are counted if there are at most ``resamples``, else so many are drawn.

    Args:
        differences: ``(P, U)`` errors of the second system less those of the first.
        units: What is swapped whole.
        seed: Of the draws.
        resamples: How many draws.

    Source: Edgington and Onghena, "Randomization Tests", 4th ed., 2007, chapter 6.
    """
    grouped = units.sums(differences)  # (P, N)
    seen = np.abs(grouped.sum(axis=1, keepdims=True))
    if 2**units.count <= resamples:
        ways = np.arange(2**units.count)[:, None] >> np.arange(units.count) & 1  # (2^N, N)
        shares: FloatArray = (np.abs(_swapped(grouped, ways)) >= seen).mean(axis=1)
        return shares
    rng = np.random.default_rng(seed)
    as_much = np.ones(len(grouped))  # what was seen is one of the ways
    for size in block_sizes(resamples, units.count):
        ways = rng.integers(0, 2, (size, units.count))
        as_much += (np.abs(_swapped(grouped, ways)) >= seen).sum(axis=1)
    return as_much / (resamples + 1)


def _swapped(grouped: FloatArray, ways: IntArray) -> FloatArray:
    """Total differences, ``(P, R)``, with the units swapped that are 1 in ``ways`` ``(R, N)``."""
    totals: FloatArray = grouped @ (1.0 - 2.0 * ways.T)
    return totals


def least_p_value(units: Units, resamples: int) -> float:
    """The least that a permutation test can say, whatever the difference."""
    every = 2**units.count
    return 2 / every if every <= resamples else 1 / (resamples + 1)


def segment_differences(slots: Slots, first: IntArray, second: IntArray) -> IntArray:
    """Return the errors of the second system less those of the first in each segment.

    Segments are stretches with errors, bounded by two or more words in a row that both systems
    got right, with nothing inserted between, or by the ends of the utterance.

    Args:
        slots: Of all references.
        first: ``(S,)`` errors of one system in each slot.
        second: Of the other.

    Source: Gillick and Cox, "Some statistical issues in the comparison of speech recognition
    algorithms", ICASSP 1989; Pallett et al., "Tools for the analysis of benchmark speech
    recognition tests", ICASSP 1990.
    """
    wrong = (first + second) > 0
    starts = np.r_[True, slots.utterance[1:] != slots.utterance[:-1]]
    run = np.cumsum(starts | np.r_[True, wrong[1:] != wrong[:-1]]) - 1
    right_words = np.bincount(run, slots.is_word * ~wrong)
    separates = starts | (right_words >= BOUNDARY_WORDS)[run]
    segment = np.cumsum(separates)[wrong]  # no slot inside a segment separates
    _, segment = np.unique(segment, return_inverse=True)
    difference = (second - first)[wrong]
    return np.bincount(segment, difference).astype(np.int64)


def segment_test(differences: IntArray) -> SegmentTest:
    """Test the differences of segments for a mean of zero.

    The statistic is that of NIST's sc_stats, but for two things. Its normal distribution is too
    bold where segments are few: here it is Student's. And where all differences are equal it sees
    none, even after a thousand segments: here their spread is then measured from zero.

    Args:
        differences: One per segment.
    """
    from scipy.special import stdtr

    count, total = len(differences), float(differences.sum())
    if count < 2 or total == 0.0:
        return SegmentTest(count, 0.0, 1.0)
    spread = float(np.std(differences, ddof=1)) or abs(total) / count
    z = total / (spread * math.sqrt(count))
    return SegmentTest(count, z, float(2.0 * stdtr(count - 1, -abs(z))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust for many comparisons: the chance of any false alarm stays below the level.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    raised = np.maximum.accumulate(np.asarray(p_values)[order] * factors)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(p) for p in adjusted]
