"""Thresholds with a promise: the excess error stays below a limit, with a stated confidence.

Source: Learn-then-Test (Angelopoulos et al., arXiv:2110.01052) with fixed-sequence testing, as CALM
(arXiv:2207.07061) uses it; p-values by betting (Waudby-Smith and Ramdas, arXiv:2010.09686), which
are small where losses vary little, as those of sentences of many words do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espnet_ee.errors import ConfigError
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import FloatArray

_AT_ONCE = 64  # thresholds; bounds memory


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
    if np.isposinf(scores[:, :-1]).any():
        raise ConfigError("A score of infinity stops at any threshold: nothing can be promised.")
    # Every threshold is tested in turn; as the path is fixed by nothing but their order, the first
    # failure ends it and no correction for their number is due.
    reached = _reached(scores)
    path, rows = _path(reached), np.arange(len(scores))
    best = RiskControl(float("inf"), 0.0, 0.0)
    for start in range(0, len(path), _AT_ONCE):
        thresholds = path[start : start + _AT_ONCE]
        picks = (reached >= thresholds[:, None, None]).argmax(axis=2)  # (P, U)
        risks = losses[rows, picks]
        p_values = betting(risks, limit, confidence)
        failed = p_values > 1.0 - confidence
        passed = int(failed.argmax()) if failed.any() else len(thresholds)
        if passed:
            last = passed - 1
            mean = float(risks[last].mean())
            best = RiskControl(float(thresholds[last]), mean, float(p_values[last]))
        if passed < len(thresholds):
            break
    return best


def betting(losses: FloatArray, limit: float, confidence: float) -> FloatArray:
    """P-values of "the mean loss is above ``limit``".

    A gambler who bets against it, never more than there is, would seldom get rich if it were true:
    one over the most that each had. Source: arXiv:2010.09686, with the bets of Bates et al.
    (arXiv:2101.02703, the WSR bound).

    Args:
        losses: ``(P, U)`` in 0..1, drawn independently along U.
        limit: Above 0, below 1.
        confidence: How the bets are sized; the p-values hold whatever it is.

    Returns:
        ``(P,)`` in 0..1.
    """
    count = losses.shape[1]
    seen = np.arange(1, count + 1)
    means = (0.5 + losses.cumsum(axis=1)) / (1 + seen)
    variances = (0.25 + ((losses - means) ** 2).cumsum(axis=1)) / (1 + seen)
    # A bet knows the losses before it only.
    before = np.concatenate([np.full((len(losses), 1), 0.25), variances[:, :-1]], axis=1)
    bets = np.minimum(1.0, np.sqrt(2.0 * np.log(1.0 / (1.0 - confidence)) / (count * before)))
    wealth = np.log1p(bets * (limit - losses)).cumsum(axis=1).max(axis=1)
    p_values: FloatArray = np.minimum(1.0, np.exp(-wealth))
    return p_values


def _reached(scores: FloatArray) -> FloatArray:
    """``(U, E)``: an utterance stops at or before an exit if the threshold is at most this."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    known[:, -1] = np.inf
    return np.maximum.accumulate(known, axis=1)


def _path(reached: FloatArray) -> FloatArray:
    """All thresholds that change a decision, the safest first; between two nothing changes."""
    values = np.unique(reached[:, :-1])
    return values[np.isfinite(values)][::-1]
