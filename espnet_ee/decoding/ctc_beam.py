"""CTC beam search as a decoder of exits: its options, and who says the text by them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor

from espnet_ee.data.files import file_and_sum
from espnet_ee.decoding.hypothesis import Candidate, Hypothesis, Speaker
from espnet_ee.decoding.lexicon_beam import LexiconBeam
from espnet_ee.decoding.prefix_beam import prefix_beam
from espnet_ee.errors import ConfigError
from espnet_ee.exits import Exit


class Spells(Protocol):
    """What the search needs of a model."""

    token_list: list[str]


@dataclass(frozen=True)
class CTCBeamOptions:
    """Options of the search, spelt as in torchaudio's ``ctc_decoder`` and in ESPnet.

    Without lexicon and n-gram the search is our own prefix beam, which needs no further package.

    Attributes:
        beam_size: Hypotheses kept.
        nbest: Texts kept of them.
        lexicon: File of the only words that may be said, with their spellings; None: any tokens.
        ngram_file: ARPA file or KenLM binary, of words with a lexicon, of tokens without.
        ngram_weight: Of its log10 probabilities, in nats.
        word_score: Added for each word of the lexicon, in nats.
    """

    beam_size: int = 50
    nbest: int = 1
    lexicon: Path | None = None
    ngram_file: Path | None = None
    ngram_weight: float = 2.0
    word_score: float = 0.0

    def __str__(self) -> str:
        text = f"CTC beam {self.beam_size}"
        if self.lexicon:
            text += f", lexicon {file_and_sum(self.lexicon)}, word score {self.word_score:g}"
        if self.ngram_file:
            text += f", n-gram {file_and_sum(self.ngram_file)}, weight {self.ngram_weight:g}"
        return text

    def __post_init__(self) -> None:
        if not 1 <= self.nbest <= self.beam_size:
            raise ConfigError(
                "these options make no beam search.",
                got=f"beam_size={self.beam_size}, nbest={self.nbest}",
                want="a beam of at least 1, and no more texts than that",
            )

    def speaker(self, model: Spells) -> Speaker:
        """Says the texts of a model's exits.

        Raises:
            ConfigError: flashlight-text is wanted and absent, or a file does not fit.
        """
        if self.lexicon is None and self.ngram_file is None:
            return PrefixBeamSpeaker(self.beam_size, self.nbest)
        return LexiconBeamSpeaker(
            LexiconBeam(
                model.token_list,
                self.lexicon,
                self.ngram_file,
                self.ngram_weight,
                self.word_score,
                self.beam_size,
                self.nbest,
            )
        )


@dataclass(frozen=True)
class PrefixBeamSpeaker:
    """Says the likeliest text of each row, summed over its paths."""

    beam_size: int
    nbest: int

    def __call__(self, exit: Exit, log_probs: Tensor) -> list[Hypothesis]:
        """One hypothesis per row of ``(B, T, V)``; padding is never read."""
        posteriors, lengths = log_probs.cpu().numpy(), exit.lengths.cpu().numpy()
        found = prefix_beam(posteriors, lengths, self.beam_size, self.nbest)
        return [Hypothesis.of([Candidate(*pair) for pair in pairs]) for pairs in found]


@dataclass(frozen=True)
class LexiconBeamSpeaker:
    """Says the best text of each row, searched alone on the CPU."""

    search: LexiconBeam

    def __call__(self, exit: Exit, log_probs: Tensor) -> list[Hypothesis]:
        """One hypothesis per row of ``(B, T, V)``; padding is never read."""
        rows = zip(log_probs, exit.lengths.tolist(), strict=True)
        return [Hypothesis.of(self.search(row[:frames])) for row, frames in rows]
