"""What an exit says of one utterance, and who says it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from espnet_ee.exits import Exit


@dataclass(frozen=True)
class TokenSpan:
    """The frames of one token.

    Attributes:
        token: Label.
        start: First frame.
        end: Behind its last frame; fractions where a text is too dense for whole frames.
        confidence: Mean posterior of the token over these frames, 0 to 1.
    """

    token: int
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """The text of one utterance at one exit.

    Attributes:
        tokens: Labels without blanks.
        log_prob: In nats: of the greedy path, or the score of a search.
        gflops: Cost of finding it beyond the exit's CTC head.
        spans: When each token was said; None where nobody asked.
    """

    tokens: tuple[int, ...]
    log_prob: float
    gflops: float = 0.0
    spans: tuple[TokenSpan, ...] | None = None


# An exit and its CTC log-probabilities (B, T, V) to one hypothesis per row.
Speaker = Callable[[Exit, Tensor], list[Hypothesis]]
