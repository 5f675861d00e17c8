"""One policy as it is, all of several, or any of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, NamedTuple

import numpy as np

from espnet_ee.errors import ConfigError
from espnet_ee.rules._base import Rule, Scores
from espnet_ee.scored_set import LAYER
from espnet_ee.scoring import FloatArray


@dataclass(frozen=True)
class Single(Rule):
    """One policy as it is."""

    policy: str

    kind = "single"
    unit = "of the policy"

    @property
    def name(self) -> str:
        """The policy's; fixed exits that look back are not those that all is compared with."""
        return f"fixed {LAYER}" if self.policy == LAYER else self.policy

    @property
    def needs(self) -> tuple[str, ...]:
        """The policy."""
        return (self.policy,)

    def score(self, exit_index: int, scores: Scores) -> FloatArray:
        """Its own."""
        return scores[self.policy]

    def fields(self) -> dict[str, Any]:
        """The policy."""
        return {"policy": self.policy}

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Rule:
        """The reverse of ``fields``."""
        return cls(fields["policy"])


class Condition(NamedTuple):
    """A policy's score reaches a threshold."""

    policy: str
    threshold: float

    def __str__(self) -> str:
        return f"{self.policy}>={self.threshold:g}"


@dataclass(frozen=True)
class _Combination(Rule):
    """Its score is by how much the conditions are met: 0 and above where they are."""

    conditions: tuple[Condition, ...]

    word: ClassVar[str]
    unit = "over the thresholds"

    def __post_init__(self) -> None:
        if not self.conditions or not all(math.isfinite(limit) for _, limit in self.conditions):
            raise ConfigError(
                "A combination needs conditions with finite thresholds.",
                got=", ".join(map(str, self.conditions)) or "none",
            )

    @property
    def name(self) -> str:
        """For instance ``all of entropy>=-0.1, agreement>=0.98``."""
        return f"{self.word} {', '.join(map(str, self.conditions))}"

    @property
    def needs(self) -> tuple[str, ...]:
        """Each policy once."""
        return tuple(dict.fromkeys(condition.policy for condition in self.conditions))

    def fields(self) -> dict[str, Any]:
        """Pairs of policy and threshold."""
        return {"conditions": [list(condition) for condition in self.conditions]}

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Rule:
        """The reverse of ``fields``."""
        return cls(
            tuple(Condition(str(name), float(limit)) for name, limit in fields["conditions"])
        )

    def _joined(self, scores: Scores, join: Callable[[Any, Any], Any]) -> FloatArray:
        over = [scores[policy] - threshold for policy, threshold in self.conditions]
        return np.asarray(reduce(join, over), dtype=np.float64)


@dataclass(frozen=True)
class AllOf(_Combination):
    """Stops where every condition holds; unknown where one of the scores is."""

    kind = "all_of"
    word = "all of"

    def score(self, exit_index: int, scores: Scores) -> FloatArray:
        """The least excess over a threshold, ``(U,)``."""
        return self._joined(scores, np.minimum)


@dataclass(frozen=True)
class AnyOf(_Combination):
    """Stops where one condition holds; unknown where all of the scores are."""

    kind = "any_of"
    word = "any of"

    def score(self, exit_index: int, scores: Scores) -> FloatArray:
        """The largest excess over a threshold, ``(U,)``."""
        return self._joined(scores, np.fmax)
