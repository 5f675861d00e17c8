"""Fit calibrations to a scored development set: a score to the probability of being good enough."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.rules._base import Rule
from espnet_ee.rules.applying import as_good_as_last, check_scores
from espnet_ee.rules.calibrated import Calibrated
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import FloatArray

METHODS = ("isotonic", "sigmoid", "temperature")

_POINTS = 64  # of a sigmoid drawn as straight lines


def fit_calibration(scored: ScoredSet, policy: str, method: str) -> Rule:
    """Map one policy's scores to probabilities, exit by exit.

    Args:
        scored: With the policy's scores and errors.
        policy: Its name.
        method: ``isotonic`` (Zadrozny and Elkan, 2002), ``sigmoid`` (Platt, 1999), or, for scores
            that are probabilities, ``temperature`` (Guo et al., arXiv:1706.04599).

    Raises:
        ConfigError: Unknown method or policy, or a temperature for what is no probability.
        DataError: An exit without any known score.
    """
    if method not in METHODS:
        raise ConfigError("Unknown way to calibrate.", got=method, want=", ".join(METHODS))
    check_scores(scored, (policy,))
    good, curves = as_good_as_last(scored), []
    for exit, layer in enumerate(scored.header.exits[:-1]):
        raw = scored.scores[policy][:, exit]
        known = np.isfinite(raw)
        if not known.any():
            raise DataError(f"Policy {policy} has no score at layer {layer}.", fix="use another")
        curves.append(_CURVES[method](raw[known], good[known, exit].astype(float)))
    return Calibrated(policy, method, tuple(curves))


Curve = tuple[tuple[float, ...], tuple[float, ...]]


def _isotonic(raw: FloatArray, good: FloatArray) -> Curve:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0).fit(raw, good)
    return tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist())


def _sigmoid(raw: FloatArray, good: FloatArray) -> Curve:
    """Platt's two parameters, with his targets short of 0 and 1, so that they are finite."""
    positives, negatives = good.sum(), (1 - good).sum()
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets = np.where(good > 0, high, low)
    centre, scale = float(raw.mean()), float(raw.std()) or 1.0
    steep, bias = _least_log_loss((raw - centre) / scale, targets, start=(1.0, 0.0))
    return _drawn(raw, lambda score: steep * (score - centre) / scale + bias)


def _temperature(raw: FloatArray, good: FloatArray) -> Curve:
    if raw.min() < 0.0 or raw.max() > 1.0:
        raise ConfigError(
            "A temperature is for scores that are probabilities.",
            got=f"scores from {raw.min():.3g} to {raw.max():.3g}",
            fix="calibrate by isotonic or sigmoid",
        )
    (steep,) = _least_log_loss(_logit(raw), good, start=(1.0,))
    return _drawn(raw, lambda score: steep * _logit(score))


_CURVES = {"isotonic": _isotonic, "sigmoid": _sigmoid, "temperature": _temperature}


def _least_log_loss(
    values: FloatArray, targets: FloatArray, start: tuple[float, ...]
) -> tuple[float, ...]:
    """The slope, which is not negative, and the bias if ``start`` has one."""
    from scipy.optimize import minimize

    def loss(point: FloatArray) -> float:
        odds = point[0] * values + (point[1] if len(point) > 1 else 0.0)
        return float((np.logaddexp(0.0, odds) - targets * odds).mean())

    bounds = [(0.0, None), (None, None)][: len(start)]
    return tuple(map(float, minimize(loss, start, bounds=bounds, method="L-BFGS-B").x))


def _logit(probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, 1e-6, 1.0 - 1e-6)
    odds: FloatArray = np.log(clipped / (1.0 - clipped))
    return odds


def _drawn(raw: FloatArray, odds: Callable[[FloatArray], FloatArray]) -> Curve:
    points = np.unique(np.quantile(raw, np.linspace(0.0, 1.0, _POINTS)))
    values = 1.0 / (1.0 + np.exp(-odds(points)))
    return tuple(points.tolist()), tuple(values.tolist())
