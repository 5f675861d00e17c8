"""Policies that read what an exit wrote: are these words, is this a language?

A wrong exit of a CTC model misspells: its words are in no lexicon and its letters follow each other
as in no text. Posteriors do not show it, for the model is often sure of its misspelling.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from espnet_ee.errors import ConfigError
from espnet_ee.lexical import LEXICAL_NAME, Lexical
from espnet_ee.policies._base import Evidence, ExitPolicy, as_scores
from espnet_ee.policies.resources import Resources


@dataclass(frozen=True)
class Brevity(ExitPolicy):
    """Minus the number of tokens of the greedy text: the shorter, the less can be wrong.

    No rule by itself, but evidence for others: short utterances are safe at shallow exits.
    """

    name = "brevity"
    unit = "-tokens"
    reads_history = False
    score_flops_per_posterior = 1  # one comparison

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` whole numbers, 0 or less."""
        return as_scores([-len(text) for text in now.texts], now)


@dataclass(frozen=True)
class _Reader(ExitPolicy):
    """Judges the greedy text as written; needs ``lexical.json.gz`` beside the model."""

    reads_history = False
    score_flops_per_posterior = 1  # one comparison; what looks words up is not counted
    resources: Resources | None = None

    def bind(self, resources: Resources) -> ExitPolicy:
        """With the model's words."""
        if resources.lexical is None:
            raise ConfigError(
                f"policy {self.name} needs to know the words of the language.",
                want=f"{LEXICAL_NAME} beside the model's config.yaml",
                fix="espnet-ee lexical --text TRAINING_TEXT --exp EXP",
            )
        return replace(self, resources=resources)

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)``."""
        if self.resources is None or self.resources.lexical is None:
            raise ConfigError(f"policy {self.name} is not bound to a model.")
        spell, lexical = self.resources.spell, self.resources.lexical
        return as_scores([self.judge(lexical, spell(text)) for text in now.texts], now)

    @abstractmethod
    def judge(self, lexical: Lexical, text: str) -> float:
        """Score of a text."""


@dataclass(frozen=True)
class KnownWords(_Reader):
    """Share of the words that the training texts have; 0 of an empty text.

    Source: ours.
    """

    name = "known_words"
    unit = "share of words"

    def judge(self, lexical: Lexical, text: str) -> float:
        """From 0 to 1."""
        return lexical.known_share(text)


@dataclass(frozen=True)
class Spelling(_Reader):
    """Mean log-probability of the characters under 6-grams of the training texts.

    Source: ours; smoothing by Witten and Bell (1991).
    """

    name = "spelling"
    unit = "nats/character"

    def judge(self, lexical: Lexical, text: str) -> float:
        """Below 0."""
        return lexical.log_prob(text)
