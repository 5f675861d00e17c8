"""Thresholds with a promise: the excess error stays below a limit, with a stated confidence.

Source: Learn-then-Test (Angelopoulos et al., arXiv:2110.01052) with fixed-sequence testing, as CALM
(arXiv:2207.07061) uses it; p-value of Hoeffding and Bentkus (Bates et al., arXiv:2101.02703).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espnet_ee.errors import ConfigError
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import FloatArray


@dataclass(frozen=True)
class RiskControl:
    """The boldest threshold that keeps the promise.

    Attributes:
        threshold: ``inf`` if none but the last exit does.
        risk: Mean excess error at it, on the utterances that it was chosen on.
        p_value: Of the hypothesis that its true risk is above the limit; 0 for the last exit.
    """

    threshold: float
    risk: float
    p_value: float

    @property
    def fell_back(self) -> bool:
        """Whether nothing but always taking the last exit could be promised."""
        return bool(np.isinf(self.threshold))


def excess_errors(scored: ScoredSet) -> FloatArray:
    """Word errors of each exit more than the last one's, per reference word, ``(U, E)`` in 0..1.

    An exit that is better than the last counts 0: luck elsewhere buys no errors here.
    """
    errors, words = scored.words.errors, np.maximum(scored.words.lengths, 1)
    return np.clip((errors - errors[:, -1:]) / words[:, None], 0.0, 1.0)


def control_risk(
    scores: FloatArray, losses: FloatArray, limit: float, confidence: float
) -> RiskControl:
    """Lower the threshold from ``inf`` for as long as each step's p-value allows.

    With probability ``confidence`` over the utterances given, the mean loss of further utterances
    from the same source is at most ``limit``. Utterances count as independent: with few speakers
    the promise is weaker than it says.

    Args:
        scores: ``(U, E)``, higher = surer, NaN never stops.
        losses: ``(U, E)`` in 0..1, 0 at the last exit.
        limit: Above 0, below 1.
        confidence: Above 0, below 1, e.g. 0.95.

    Raises:
        ConfigError: The limit or the confidence is no share.
    """
    if not 0.0 < limit < 1.0 or not 0.0 < confidence < 1.0:
        raise ConfigError(
            "A promise needs a limit and a confidence.",
            got=f"excess {limit:g}, confidence {confidence:g}",
            want="both above 0 and below 1",
        )
    thresholds, risks = risk_path(scores, losses)
    p_values = hoeffding_bentkus(risks, len(scores), limit)
    # Every threshold is tested in turn; as the path is fixed by nothing but their order, the first
    # failure ends it and no correction for their number is due.
    passed = int(np.argmax(np.append(p_values > 1.0 - confidence, True)))
    if passed == 0:
        return RiskControl(float("inf"), 0.0, 0.0)
    best = passed - 1
    return RiskControl(float(thresholds[best]), float(risks[best]), float(p_values[best]))


def risk_path(scores: FloatArray, losses: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean loss at every threshold that changes a decision.

    Args:
        scores: ``(U, E)``.
        losses: ``(U, E)``.

    Returns:
        Decreasing thresholds ``(P,)`` and the mean loss of each ``(P,)``; all scores but those of
        the last exit, so between two thresholds of the path nothing changes.
    """
    known = np.where(np.isnan(scores[:, :-1]), -np.inf, scores[:, :-1])
    reached = np.maximum.accumulate(known, axis=1)  # at or below it, an earlier exit is taken
    before = np.concatenate([np.full((len(scores), 1), -np.inf), reached[:, :-1]], axis=1)
    rows, exits = np.nonzero(reached > before)
    values = reached[rows, exits]
    # Coming from above, an utterance moves here from the next exit that reaches more, or the last.
    goes_on = np.append(rows[1:] == rows[:-1], False)
    came_from = np.where(goes_on, np.append(exits[1:], 0), -1)
    moves = losses[rows, exits] - losses[rows, came_from]
    order = np.argsort(-values, kind="stable")
    risks = losses[:, -1].mean() + np.cumsum(moves[order]) / len(scores)
    ends = np.append(np.diff(values[order]) != 0, True) if len(order) else np.zeros(0, bool)
    return values[order][ends], np.clip(risks[ends], 0.0, 1.0)


def hoeffding_bentkus(risks: FloatArray, count: int, limit: float) -> FloatArray:
    """P-values of "the risk is above ``limit``" for mean losses ``(P,)`` of ``count`` draws."""
    from scipy.special import xlogy
    from scipy.stats import binom

    low = np.minimum(risks, limit)
    divergence = xlogy(low, low / limit) + xlogy(1 - low, (1 - low) / (1 - limit))
    hoeffding = np.exp(-count * divergence)
    # Rounded first: a mean of whole losses must not become the next whole number.
    bentkus = np.e * binom.cdf(np.ceil(np.round(count * risks, 9)), count, limit)
    smaller: FloatArray = np.minimum(np.minimum(hoeffding, bentkus), 1.0)
    return smaller
