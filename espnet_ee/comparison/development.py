"""A system's development set, and the thresholds chosen on it, each of them once for all sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from espnet_ee.baselines import fixed_exits
from espnet_ee.replay import OperatingPoint
from espnet_ee.rules.selection import within_cost, within_excess
from espnet_ee.scored_set import ScoredSet

Choose = Callable[[ScoredSet, str, float], OperatingPoint]


@dataclass(frozen=True, eq=False)
class Development:
    """One or several sets, pooled.

    Attributes:
        scored: Their errors, costs and scores.
    """

    scored: ScoredSet
    _known: dict[tuple[Choose, str, float], OperatingPoint] = field(default_factory=dict)

    @property
    def last_cost(self) -> float:
        """GFLOPs per second of always taking the last exit."""
        return fixed_exits(self.scored)[-1].gflops_per_second

    def within_excess(self, policy: str, excess: float) -> OperatingPoint:
        """As ``rules.selection.within_excess``."""
        return self._choose(within_excess, policy, excess)

    def within_cost(self, policy: str, share: float) -> OperatingPoint:
        """As ``rules.selection.within_cost``."""
        return self._choose(within_cost, policy, share)

    def _choose(self, choose: Choose, policy: str, target: float) -> OperatingPoint:
        key = (choose, policy, target)
        if key not in self._known:
            self._known[key] = choose(self.scored, policy, target)
        return self._known[key]
