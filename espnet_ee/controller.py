"""Hold a mean cost on a stream of utterances while its difficulty, or the machine's load, changes.

A development record tells what each threshold costs there. The controller keeps a *position*: the
mean cost it would have to ask of the development set to get the target here. After each call it
moves against the overspending, ``position -= gain * (cost - target * seconds) / call_seconds``.

This is online gradient descent, the update of adaptive conformal inference (Gibbs and Candes,
arXiv:2106.00170, proposition 4.1) with a cost in place of a coverage error. It needs nothing of the
stream's distribution: summed up, the overspending of a whole stream is the way that the position
went, ``(first - last) * call_seconds / gain``. The position stays within the range of costs and one
step, because at its ends all utterances take the first, or the last, exit. So the mean cost differs
from the target by at most a constant over the length of the stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet_ee.errors import ConfigError
from espnet_ee.replay import first_exit, stop_gflops, threshold_grid
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import FloatArray
from espnet_ee.streams import Outcome, ThresholdChooser

GAIN = (
    0.2  # per utterance of usual length: a window of 50 then mostly stays within 5 % of the target
)
_GRID_POINTS = 400


@dataclass(frozen=True)
class CostCurve:
    """What each threshold of a policy costs on a development set.

    Attributes:
        thresholds: ``(N,)``, from -inf to inf.
        costs: ``(N,)`` per second of audio, never falling.
        mean_sec: Of an utterance.
    """

    thresholds: FloatArray
    costs: FloatArray
    mean_sec: float

    @classmethod
    def of(cls, dev: ScoredSet, policy: str, costs: FloatArray | None = None) -> CostCurve:
        """Replay ``policy`` on ``dev``; ``costs`` ``(U, E)`` of stopping, default GFLOPs."""
        table = stop_gflops(dev, policy) if costs is None else costs
        grid = threshold_grid(dev.scores[policy], _GRID_POINTS)
        rows, total_sec = np.arange(len(table)), dev.seconds.sum()
        means = [
            table[rows, first_exit(dev.scores[policy], threshold)].sum() / total_sec
            for threshold in grid.tolist()
        ]
        return cls(grid, np.maximum.accumulate(means), float(dev.seconds.mean()))

    def threshold(self, position: float) -> float:
        """The highest threshold that costs at most ``position``; -inf below all costs."""
        place = int(np.searchsorted(self.costs, position, side="right")) - 1
        return float(self.thresholds[max(place, 0)])

    def check(self, target: float, unit: str) -> None:
        """Refuse a cost that no threshold can reach.

        Raises:
            ConfigError: It lies outside the costs of the first and the last exit.
        """
        if not self.costs[0] <= target <= self.costs[-1]:
            raise ConfigError(
                "no threshold can hold this mean cost.",
                got=f"{target:g} {unit}",
                want=f"{self.costs[0]:.4g} to {self.costs[-1]:.4g}, which is what the thresholds "
                "-inf and inf cost on the development set",
            )


class CostController(ThresholdChooser):
    """Holds a mean cost per second of audio by moving along a ``CostCurve``.

    Args:
        curve: Of the policy, on development data.
        target: Mean cost per second of audio, in the unit of the curve's.
        unit: Of costs, for messages.
        call_size: Utterances per call.
        gain: Share of a usual call's overspending that the next one is asked to make up for;
            default: what ``GAIN`` per utterance adds up to.

    Raises:
        ConfigError: The target lies outside the curve, or the gain outside 0 to 1.
    """

    def __init__(
        self,
        curve: CostCurve,
        target: float,
        *,
        unit: str = "GFLOPs/s",
        call_size: int = 1,
        gain: float | None = None,
    ) -> None:
        curve.check(target, unit)
        self.gain = 1.0 - (1.0 - GAIN) ** call_size if gain is None else gain
        if not 0.0 < self.gain <= 1.0:
            raise ConfigError("the gain is out of range.", got=f"{gain}", want="above 0, up to 1")
        self._curve, self.target, self.position = curve, target, target
        self._call_sec = call_size * curve.mean_sec
        # A target out of reach, as under overload, must not be made up for long afterwards.
        low, high = float(curve.costs[0]), float(curve.costs[-1])
        self._range = (2.0 * low - high, 2.0 * high - low)

    @property
    def threshold(self) -> float:
        """Of the next call: the curve's, at the position."""
        return self._curve.threshold(self.position)

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Move against the overspending of a call."""
        cost = sum(outcome.cost for outcome in outcomes)
        seconds = sum(outcome.seconds for outcome in outcomes)
        over = cost - self.target * seconds
        low, high = self._range
        self.position = min(max(self.position - self.gain * over / self._call_sec, low), high)
