"""Choose a threshold on development data: for a cost, a WER, or a WER over the last exit's."""

from __future__ import annotations

import numpy as np

from espnet_ee.baselines import fixed_exits
from espnet_ee.errors import ConfigError
from espnet_ee.replay import OperatingPoint, replay, sweep, threshold_grid
from espnet_ee.rules.risk import RiskControl, control_risk, excess_errors
from espnet_ee.scored_set import LAYER, ScoredSet

_GRID_POINTS = 400  # four times finer than a curve needs: the choice, not the plot, is wanted
_ROUNDING = 1e-9  # must not exclude what is equal


def candidates(
    scored: ScoredSet, policy: str, look_back: str | None = None
) -> list[OperatingPoint]:
    """What a policy can give: fixed exits for ``layer``, else a fine grid of thresholds."""
    if policy == LAYER:
        return fixed_exits(scored)
    grid = threshold_grid(scored.scores[policy], _GRID_POINTS)
    return sweep(scored, policy, grid.tolist(), look_back)


def within_wer(
    scored: ScoredSet, policy: str, wer: float, look_back: str | None = None
) -> OperatingPoint:
    """The cheapest setting of at most this WER, a fraction.

    Raises:
        ConfigError: Nothing is as good as that, not even the last exit.
    """
    points = candidates(scored, policy, look_back)
    good = [point for point in points if point.wer <= wer + _ROUNDING]
    if not good:
        raise ConfigError(
            f"No threshold of {policy} reaches this WER on {scored.header.set_name}.",
            got=f"{100 * wer:.2f} %",
            want=f"{100 * min(point.wer for point in points):.2f} % or more",
        )
    return min(good, key=lambda point: (point.gflops_per_second, point.wer))


def within_excess(
    scored: ScoredSet, policy: str, excess: float, look_back: str | None = None
) -> OperatingPoint:
    """The cheapest setting of at most the last exit's WER and this much more, a fraction."""
    last = fixed_exits(scored)[-1]
    return within_wer(scored, policy, last.wer + excess, look_back)


def within_cost(
    scored: ScoredSet, policy: str, share: float, look_back: str | None = None
) -> OperatingPoint:
    """The setting whose mean cost comes nearest to this share of the last exit's from below.

    Of equal ones that of least WER.

    Raises:
        ConfigError: It is no share, or even the first exit costs more.
    """
    if not 0.0 < share <= 1.0:
        raise ConfigError(
            "The cost is no share of the last exit's.", got=f"{share:g}", want="above 0, at most 1"
        )
    limit = share * fixed_exits(scored)[-1].gflops_per_second
    points = candidates(scored, policy, look_back)
    cheap = [point for point in points if point.gflops_per_second <= limit * (1 + _ROUNDING)]
    if not cheap:
        least = min(point.gflops_per_second for point in points) * share / limit
        raise ConfigError(
            f"No threshold of {policy} is as cheap as that on {scored.header.set_name}.",
            got=f"{100 * share:.0f} % of the last exit's cost",
            want=f"{100 * least:.0f} % or more: what the first exit costs",
        )
    return max(cheap, key=lambda point: (point.gflops_per_second, -point.wer))


def within_risk(
    scored: ScoredSet, policy: str, excess: float, confidence: float
) -> tuple[OperatingPoint, RiskControl]:
    """The boldest threshold that keeps the mean excess error per utterance below a limit.

    Args:
        scored: Held out: no rule was fitted to it.
        policy: Its name.
        excess: Mean over utterances of word errors more than the last exit's per word, a fraction.
        confidence: Of the promise.
    """
    control = control_risk(scored.scores[policy], excess_errors(scored), excess, confidence)
    return replay(scored, policy, control.threshold), control


def cost_share(scored: ScoredSet, point: OperatingPoint) -> float:
    """Cost over that of always taking the last exit."""
    return float(np.divide(point.gflops_per_second, fixed_exits(scored)[-1].gflops_per_second))
