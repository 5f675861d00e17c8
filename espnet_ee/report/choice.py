"""Thresholds chosen on one set for a target excess WER, to be used on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from espnet_ee.baselines import fixed_exits
from espnet_ee.replay import OperatingPoint, replay, sweep, threshold_grid
from espnet_ee.rules.selection import within_excess
from espnet_ee.scored_set import ScoredSet

EXCESS_TARGETS = (0.0, 0.005, 0.01)
"""Allowed WER above the last exit's: 0, 0.5 and 1 points, the range papers report."""

MOST_DRAWN = 4  # more curves in one picture cannot be told apart
_DRAWN_COSTS = 50  # at which WERs are averaged


@dataclass(frozen=True)
class Choice:
    """The cheapest setting of a policy within a target, and what it gives elsewhere.

    Attributes:
        excess_target: Allowed WER above the last exit's where it was chosen, a fraction.
        chosen: The operating point on the set of choice.
        result: The same threshold on the reported set.
    """

    excess_target: float
    chosen: OperatingPoint
    result: OperatingPoint


def worth_drawing(dev: ScoredSet, most: int = MOST_DRAWN) -> tuple[str, ...]:
    """Return the recorded policies of lowest WER, averaged over costs, in the record's order."""
    names = tuple(dev.header.policies)
    if len(names) <= most or len(dev.layers) == 1:
        return names
    fixed = fixed_exits(dev)
    costs = np.linspace(fixed[0].gflops_per_second, fixed[-1].gflops_per_second, _DRAWN_COSTS)
    best = sorted(names, key=lambda name: _mean_wer(dev, name, costs))[:most]
    return tuple(name for name in names if name in best)


def _mean_wer(scored: ScoredSet, policy: str, costs: NDArray[np.float64]) -> float:
    """Mean WER at ``costs``, by linear interpolation between thresholds."""
    points = sweep(scored, policy, threshold_grid(scored.scores[policy]).tolist())
    pairs = np.array(sorted((point.gflops_per_second, point.wer) for point in points))
    return float(np.interp(costs, pairs[:, 0], pairs[:, 1]).mean())


def choose(dev: ScoredSet, test: ScoredSet, policy: str) -> list[Choice]:
    """Choose on ``dev`` for each target and replay on ``test``."""
    choices = []
    for excess in EXCESS_TARGETS:
        chosen = within_excess(dev, policy, excess)
        choices.append(Choice(excess, chosen, replay(test, policy, chosen.threshold)))
    return choices
