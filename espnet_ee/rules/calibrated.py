"""A policy's score as the probability of being as good as the last exit, exit by exit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from espnet_ee.rules._base import Rule, Scores
from espnet_ee.scoring import FloatArray

UNIT = "probability as good as last"


@dataclass(frozen=True)
class Calibrated(Rule):
    """Piecewise linear maps of one policy's score, one for each exit but the last.

    Every way to calibrate ends here: isotonic regression has such a form, and a sigmoid is drawn
    finely enough. A score beyond the ends of a map has the value of that end. Monotone, so within
    one exit utterances keep their order; between exits one threshold now means the same.

    Attributes:
        policy: Whose score.
        method: How the maps were found.
        curves: For each exit but the last, increasing scores and their probabilities.
    """

    policy: str
    method: str
    curves: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]

    kind = "calibrated"
    unit = UNIT

    @property
    def name(self) -> str:
        """For instance ``entropy, isotonic``."""
        return f"{self.policy}, {self.method}"

    @property
    def judges(self) -> int:
        """One curve for each exit but the last."""
        return len(self.curves)

    @property
    def needs(self) -> tuple[str, ...]:
        """The one policy."""
        return (self.policy,)

    def score(self, exit_index: int, scores: Scores) -> FloatArray:
        """``(U,)`` probabilities; certain at the last exit."""
        raw = scores[self.policy]
        if exit_index >= len(self.curves):
            return np.ones(len(raw))
        known = np.interp(raw, *self.curves[exit_index])
        return np.where(np.isnan(raw), np.nan, known)

    def fields(self) -> dict[str, Any]:
        """Policy, method and curves."""
        curves = [[list(scores), list(values)] for scores, values in self.curves]
        return {"policy": self.policy, "method": self.method, "curves": curves}

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Rule:
        """The reverse of ``fields``."""
        curves = tuple(
            (tuple(map(float, scores)), tuple(map(float, values)))
            for scores, values in fields["curves"]
        )
        if any(len(scores) != len(values) or not scores for scores, values in curves):
            raise ValueError("a curve has as many scores as probabilities")
        return cls(fields["policy"], fields["method"], curves)
