"""What a policy is measured against: fixed exits, their mix, the safe oracle.

The mix is the bar to beat: it needs no policy at all, only a coin per utterance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from espnet_ee.replay import OperatingPoint, operating_point, sweep
from espnet_ee.scored_set import LAYER, ScoredSet
from espnet_ee.scoring import IntArray

SAFE_ORACLE = "safe oracle"


@dataclass(frozen=True)
class Overthinking:
    """Shares of the utterances, 0..1.

    Attributes:
        strictly_better: Some earlier exit has fewer word errors than the last.
        no_worse: Some earlier exit has at most the last exit's word errors.
    """

    strictly_better: float
    no_worse: float


def fixed_exits(scored: ScoredSet) -> list[OperatingPoint]:
    """Return each exit taken by every utterance, shallow to deep, paying its own head only."""
    return sweep(scored, LAYER, scored.layers.astype(float).tolist())


def mix_hull(fixed: Sequence[OperatingPoint]) -> list[tuple[float, float]]:
    """Return the mixes of fixed exits as (GFLOPs per second, WER), cost rising, WER falling.

    Drawing a fixed exit per utterance at random, independently of the audio, gives in
    expectation every point on the line between two fixed exits, so the best mixes are the
    lower convex hull of the fixed exits. It ends at the fixed exit of least WER: who may
    spend more need not.
    """
    hull: list[tuple[float, float]] = []
    for cost, wer in sorted((point.gflops_per_second, point.wer) for point in fixed):
        if hull and wer >= hull[-1][1]:
            continue
        while len(hull) > 1 and _above(hull[-2], hull[-1], (cost, wer)):
            hull.pop()
        hull.append((cost, wer))
    return hull


def _above(
    left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]
) -> bool:
    """Tell whether ``middle`` lies on or above the line from ``left`` to ``right``."""
    rise = (right[1] - left[1]) * (middle[0] - left[0])
    return (middle[1] - left[1]) * (right[0] - left[0]) >= rise


def mix_wer(hull: Sequence[tuple[float, float]], gflops_per_second: float) -> float:
    """Return the least WER of a mix that costs at most this; NaN below the cheapest exit."""
    costs, wers = zip(*hull, strict=True)
    return float(np.interp(gflops_per_second, costs, wers, left=np.nan))


def safe_picks(scored: ScoredSet) -> IntArray:
    """Return each utterance's earliest exit with no more word errors than the last, ``(U,)``."""
    errors = scored.words.errors
    picks: IntArray = (errors <= errors[:, -1:]).argmax(axis=1).astype(np.int64)
    return picks


def safe_oracle(scored: ScoredSet) -> OperatingPoint:
    """Return the bound for every policy: it knows where to stop, so it pays one head only."""
    point = operating_point(scored, safe_picks(scored), LAYER)
    return OperatingPoint(**{**vars(point), "policy": SAFE_ORACLE})


def overthinking(scored: ScoredSet) -> Overthinking:
    """Return how often going on to the last exit was useless or harmful."""
    better, as_good = earlier_exits(scored)
    return Overthinking(float(better.mean()), float(as_good.mean()))


def earlier_exits(scored: ScoredSet) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether some earlier exit has fewer word errors than the last, and no more: ``(U,)`` each."""
    errors = scored.words.errors
    earlier, last = errors[:, :-1], errors[:, -1:]
    better: NDArray[np.bool_] = np.any(earlier < last, axis=1)
    as_good: NDArray[np.bool_] = np.any(earlier <= last, axis=1)
    return better, as_good
