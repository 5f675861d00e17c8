"""What an exit says of one utterance, and who says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from espnet_ee.exits import Exit


@dataclass(frozen=True)
class Hypothesis:
    """The text of one utterance at one exit.

    Attributes:
        tokens: Labels without blanks.
        log_prob: In nats: of the greedy path, or the score of a search.
        gflops: Cost of finding it beyond the exit's CTC head.
    """

    tokens: tuple[int, ...]
    log_prob: float
    gflops: float = 0.0


# An exit and its CTC log-probabilities (B, T, V) to one hypothesis per row.
Speaker = Callable[[Exit, Tensor], list[Hypothesis]]
