"""What an exit says of one utterance, and who says it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
class Candidate:
    """One text of an N-best list.

    Attributes:
        tokens: Labels without blanks.
        log_prob: As that of a hypothesis.
    """

    tokens: tuple[int, ...]
    log_prob: float


@dataclass(frozen=True)
class Hypothesis:
    """The text of one utterance at one exit.

    Attributes:
        tokens: Labels without blanks.
        log_prob: In nats: of the greedy path or of all paths found, or the score of a search.
        gflops: Cost of finding it beyond the exit's CTC head: products of matrices, which a decoder
            or a neural language model has; a search itself has none.
        nbest: The best texts of a search, this one first; empty for greedy CTC.
        spans: When each token was said; None where nobody asked.
    """

    tokens: tuple[int, ...]
    log_prob: float
    gflops: float = 0.0
    nbest: tuple[Candidate, ...] = ()
    spans: tuple[TokenSpan, ...] | None = None

    @staticmethod
    def of(found: Sequence[Candidate], gflops: float = 0.0) -> Hypothesis:
        """The best of an N-best list, best first; an empty text without probability of no list."""
        best = found[0] if found else Candidate((), -math.inf)
        return Hypothesis(best.tokens, best.log_prob, gflops, tuple(found))


# An exit and its CTC log-probabilities (B, T, V) to one hypothesis per row.
Speaker = Callable[[Exit, Tensor], list[Hypothesis]]
