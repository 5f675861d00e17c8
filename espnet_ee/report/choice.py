"""Thresholds chosen on one set for a target excess WER, to be used on another."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_ee.baselines import fixed_exits
from espnet_ee.replay import OperatingPoint, replay, sweep, threshold_grid
from espnet_ee.scored_set import LAYER, ScoredSet

EXCESS_TARGETS = (0.0, 0.005, 0.01)
"""Allowed WER above the last exit's: 0, 0.5 and 1 points, the range papers report."""

_GRID_POINTS = 400  # four times finer than a curve needs: the choice, not the plot, is wanted


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


def cheapest(scored: ScoredSet, policy: str, excess: float) -> OperatingPoint:
    """Return the cheapest setting whose WER is at most the last exit's plus ``excess``."""
    fixed = fixed_exits(scored)
    allowed = fixed[-1].wer + excess + 1e-12  # rounding must not exclude an equal WER
    if policy == LAYER:
        points = fixed
    else:
        grid = threshold_grid(scored.scores[policy], _GRID_POINTS)
        points = sweep(scored, policy, grid.tolist())
    within = [point for point in points if point.wer <= allowed]
    return min(within, key=lambda point: (point.gflops_per_second, point.wer))


def choose(dev: ScoredSet, test: ScoredSet, policy: str) -> list[Choice]:
    """Choose on ``dev`` for each target and replay on ``test``."""
    choices = []
    for excess in EXCESS_TARGETS:
        chosen = cheapest(dev, policy, excess)
        choices.append(Choice(excess, chosen, replay(test, policy, chosen.threshold)))
    return choices
