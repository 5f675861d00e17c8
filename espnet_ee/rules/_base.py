"""What a rule is: the scores of several policies at an exit to one score per utterance.

Policies look at evidence; rules look at policies' scores, which records hold. So a rule is replayed
and run by the same numpy code. U utterances, E exits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from espnet_ee.scoring import FloatArray

Scores = Mapping[str, FloatArray]  # policy -> (U,) scores at one exit


class Rule(ABC):
    """Several scores to one; higher = surer, NaN = unknown."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables call it."""

    @property
    @abstractmethod
    def unit(self) -> str:
        """Of its score and of its threshold."""

    @property
    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """The policies whose scores it reads."""

    @property
    def judges(self) -> int | None:
        """How many exits it was made for, all but the last; None: any number."""
        return None

    @abstractmethod
    def score(self, exit_index: int, scores: Scores) -> FloatArray:
        """``(U,)`` scores of one exit, from those of the policies it ``needs``."""

    @classmethod
    @abstractmethod
    def of_fields(cls, fields: dict[str, Any]) -> Rule:
        """The reverse of ``fields``."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """What its file has to hold, besides its kind, as JSON knows it."""
