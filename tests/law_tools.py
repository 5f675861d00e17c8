"""What laws share: thresholds taken from scores, and weights of a shorter model."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from espnet_ee.replay import first_exit

CLEAR = 1e-3  # scores this far apart cannot change places by rounding


def thresholds_between(scores, most: int = 7) -> list[float]:
    """Both infinities and at most about ``most`` values between the scores, clear of each."""
    values = np.unique(np.asarray(scores, dtype=np.float64))
    values = values[np.isfinite(values)]
    between = ((values[1:] + values[:-1]) / 2)[np.diff(values) > CLEAR].tolist()
    step = -(-len(between) // most) or 1
    return [-math.inf, *between[step // 2 :: step], math.inf]


def exits_within(scores, thresholds) -> set[int]:
    """The exits that ``thresholds`` lead to, by replay: a law must have seen them all."""
    scores = np.asarray(scores, dtype=np.float64)
    return {int(exit) for threshold in thresholds for exit in first_exit(scores, threshold)}


def alike(one, other) -> bool:
    """Whether two recognitions are the same but for rounding, which depends on the batch."""

    def rounded(said):
        return replace(said, log_prob=pytest.approx(said.log_prob, abs=1e-3))

    score, scores = (pytest.approx(value, abs=1e-4) for value in (other.score, other.scores))
    nbest = tuple(map(rounded, other.nbest))
    return one == replace(rounded(other), score=score, scores=scores, nbest=nbest)


def recorded_scores(results, policy: str) -> np.ndarray:
    """``(U, E)`` scores of what ``all_exits`` returned."""
    return np.array([[exit.scores[policy] for exit in result.exits] for result in results])


def truncated(states, layer: int) -> dict:
    """The weights of a model that ends at ``layer``: its exit's head becomes the last one."""
    kept = {}
    for key, value in states.items():
        parts = key.split(".")
        number = int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else 0
        above = {"encoders": number >= layer, "half_rate": number > layer}
        head_above = parts[0] == "exit_heads" and int(parts[1]) >= layer
        if not head_above and not (parts[0] == "encoder" and above.get(parts[1], False)):
            kept[key] = value
    for part in ("weight", "bias"):
        own = f"exit_heads.{layer}.linear.{part}"
        kept[f"ctc.ctc_lo.{part}"] = states.get(own, states[f"ctc.ctc_lo.{part}"])
    return kept
