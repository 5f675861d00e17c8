"""What policies need of the model at hand beyond its posteriors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from espnet_ee.clusters import Clusters
from espnet_ee.lexical import Lexical


@dataclass(frozen=True)
class Resources:
    """Belongs to one model.

    Attributes:
        spell: Token ids to words.
        lexical: What its language is like; None where nobody prepared it.
        clusters: Guesses of its exits at clusters of hidden states; None likewise.
    """

    spell: Callable[[Sequence[int]], str]
    lexical: Lexical | None = None
    clusters: Clusters | None = None
