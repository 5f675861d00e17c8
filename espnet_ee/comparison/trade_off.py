"""Word errors at equal cost and cost at equal word errors, along the thresholds of a policy.

T thresholds, U utterances, R draws. Between two thresholds, utterances are mixed at random:
straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espnet_ee.replay import first_exit, stop_gflops, threshold_grid
from espnet_ee.scored_set import LAYER, ScoredSet
from espnet_ee.scoring import FloatArray, IntArray
from espnet_ee.statistics import Units, bootstrap_intervals

_THRESHOLDS = 50


@dataclass(frozen=True)
class Curve:
    """What one system gives at each threshold, from the first exit for all to the last for all.

    Attributes:
        errors: Word errors, ``(T, U)``.
        gflops: Costs, ``(T, U)``.
        last_gflops: Cost of the last exit alone, ``(U,)``: no scoring, no head on the way.
        seconds: Of audio, ``(U,)``.
    """

    errors: IntArray
    gflops: FloatArray
    last_gflops: FloatArray
    seconds: FloatArray

    @classmethod
    def of(cls, scored: ScoredSet, policy: str) -> Curve:
        """Sweep the thresholds of one policy; of ``layer`` there are as many as exits."""
        scores, rows = scored.scores[policy], np.arange(len(scored.seconds))
        grid = scored.layers if policy == LAYER else threshold_grid(scores, _THRESHOLDS)
        picks = np.stack([first_exit(scores, threshold) for threshold in grid.tolist()])
        costs = stop_gflops(scored, policy)
        last = stop_gflops(scored, LAYER)[:, -1]
        return cls(scored.words.errors[rows, picks], costs[rows, picks], last, scored.seconds)


@dataclass(frozen=True)
class TradeOff:
    """Both systems at one point of their curves, and how the second differs from the first.

    Attributes:
        equal: ``cost`` or ``WER``.
        target: Share of the first system's cost at its last exit; or WER above that of the worse
            of both last exits, a fraction.
        first: WER of the first system, a fraction, or its GFLOPs per second; NaN out of reach.
        second: Of the second.
        difference: Of WERs; or the second's cost over the first's, less 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
    """

    equal: str
    target: float
    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class Targets:
    """At which costs WERs are compared, and at which WERs costs; see ``TradeOff.target``."""

    cost_shares: tuple[float, ...]
    excesses: tuple[float, ...]


@dataclass(frozen=True)
class _Line:
    """A curve of each draw.

    Attributes:
        cost: Per second, rising, ``(T, R)``.
        wer: For that, ``(T, R)``.
        last_cost: Of the last exit alone, for all, ``(R,)``.
        last_wer: Its WER.
    """

    cost: FloatArray
    wer: FloatArray
    last_cost: FloatArray
    last_wer: FloatArray

    def wer_at(self, cost: FloatArray) -> FloatArray:
        """WER for ``cost`` ``(R,)``; NaN if all cost more, that of the dearest if all cost less."""
        below = (self.cost <= cost).sum(axis=0) - 1
        left = np.clip(below, 0, max(len(self.cost) - 2, 0))
        wer = _between(self.cost, self.wer, left, cost)
        wer = np.where(below == len(self.cost) - 1, self.wer[-1], wer)
        return np.where(below < 0, np.nan, wer)

    def cost_at(self, wer: FloatArray) -> FloatArray:
        """Least cost whose WER is at most ``wer`` ``(R,)``, which some threshold has."""
        first = (self.wer <= wer).argmax(axis=0)
        cost = _between(self.wer, self.cost, np.maximum(first - 1, 0), wer)
        return np.where(first == 0, self.cost[0], cost)


def _between(x: FloatArray, y: FloatArray, left: IntArray, at: FloatArray) -> FloatArray:
    """``y`` where ``x`` is ``at`` on the line from point ``left`` ``(R,)`` to the next."""
    right, draws = np.minimum(left + 1, len(x) - 1), np.arange(x.shape[1])
    reach = x[right, draws] - x[left, draws]
    share = np.divide(at - x[left, draws], reach, out=np.ones_like(reach), where=reach != 0.0)
    value: FloatArray = y[left, draws] + share * (y[right, draws] - y[left, draws])
    return value


def trade_offs(
    first: Curve,
    second: Curve,
    words: IntArray,
    units: Units,
    targets: Targets,
    seed: int = 0,
    resamples: int = 10_000,
) -> list[TradeOff]:
    """Compare two curves at each target; each draw of units has its own curves and targets.

    Args:
        first: Of one system.
        second: Of the other, on the same utterances.
        words: Reference words, ``(U,)``.
        units: What is drawn.
        targets: Where to compare.
        seed: Of the draws.
        resamples: How many draws.
    """
    columns = np.concatenate([*_columns(first), *_columns(second), words[None]])
    split = 2 * len(first.errors) + 2

    def figures(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
        lines = _line(sums[:split], sums[-1]), _line(sums[split:-1], sums[-1])
        return _figures(*lines, targets)

    def differences(sums: FloatArray) -> FloatArray:
        return _differences(*figures(sums), len(targets.cost_shares))

    totals = columns.sum(axis=1, keepdims=True)
    points, seen = np.stack(figures(totals))[..., 0], differences(totals)[:, 0]
    known = np.isfinite(seen)
    ends = np.full((2, len(seen)), np.nan)
    if known.any():
        found = bootstrap_intervals(
            columns, lambda sums: differences(sums)[known], units, seed, resamples
        )
        ends[:, known] = found.low, found.high
    kinds = [("cost", share) for share in targets.cost_shares]
    kinds += [("WER", excess) for excess in targets.excesses]
    rows = np.stack([*points, seen, *ends], axis=1).tolist()
    return [TradeOff(*kind, *row) for kind, row in zip(kinds, rows, strict=True)]


def _columns(curve: Curve) -> tuple[FloatArray | IntArray, ...]:
    """Errors, costs, the last exit's cost and seconds: ``2 T + 2`` rows in all."""
    return (curve.errors, curve.gflops, curve.last_gflops[None], curve.seconds[None])


def _line(sums: FloatArray, words: FloatArray) -> _Line:
    """From sums of the columns of a curve, ``(2 T + 2, R)``."""
    thresholds = len(sums) // 2 - 1
    cost, wer = sums[thresholds:-2] / sums[-1], sums[:thresholds] / np.maximum(words, 1.0)
    order = np.argsort(cost, axis=0, kind="stable")  # a search may cost less at a deeper exit
    rising, along = (np.take_along_axis(values, order, axis=0) for values in (cost, wer))
    return _Line(rising, along, sums[-2] / sums[-1], wer[-1])


def _figures(one: _Line, two: _Line, targets: Targets) -> tuple[FloatArray, FloatArray]:
    """WERs of both at the costs, then costs of both at the WERs: ``(targets, R)`` each."""
    costs = [share * one.last_cost for share in targets.cost_shares]
    worse = np.maximum(one.last_wer, two.last_wer)
    wers = [worse + excess for excess in targets.excesses]
    first, second = (
        np.stack([*map(line.wer_at, costs), *map(line.cost_at, wers)]) for line in (one, two)
    )
    return first, second


def _differences(first: FloatArray, second: FloatArray, costs: int) -> FloatArray:
    """Of WERs in the first ``costs`` rows, of costs as a share in the others."""
    wers = second[:costs] - first[:costs]
    return np.concatenate([wers, second[costs:] / first[costs:] - 1.0])
