"""Beam search at any exit by ESPnet's own search and scorers: joint CTC/attention, or CTC and a LM.

Source: Watanabe et al. 2017, "Hybrid CTC/attention architecture for end-to-end speech recognition".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from espnet_ee.cost import GIGA
from espnet_ee.decoding.greedy import greedy_ctc
from espnet_ee.decoding.hypothesis import Candidate, Hypothesis, Speaker
from espnet_ee.errors import ConfigError
from espnet_ee.exits import Exit
from espnet_ee.host.compat import (
    BatchBeamSearch,
    BatchScorerInterface,
    BeamSearch,
    CTCPrefixScorer,
    LengthBonus,
)
from espnet_ee.host.counted_scorer import CountedScorer, FlopTable
from espnet_ee.host.language_model import LanguageModelFiles, load_language_model
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.nn.alignment import BLANK


@dataclass(frozen=True)
class BeamOptions:
    """Options of the search, spelt as in ESPnet's ``asr_inference``, with its defaults.

    Attributes:
        beam_size: Hypotheses kept.
        ctc_weight: Of the exit's CTC prefix score; the decoder has the rest. 1: CTC searches alone,
            at every exit, and no decoder runs.
        maxlenratio: Longest text over frames; 0: until the search ends by itself.
        penalty: Added to a hypothesis for each of its tokens; a language model prefers few.
        lm_weight: Of the language model's score.
        lm: The language model; None: without.
        nbest: Texts kept.
    """

    beam_size: int = 20
    ctc_weight: float = 0.5
    maxlenratio: float = 0.0
    penalty: float = 0.0
    lm_weight: float = 1.0
    lm: LanguageModelFiles | None = None
    nbest: int = 1

    @property
    def by_ctc_alone(self) -> bool:
        """Whether no decoder has a say."""
        return self.ctc_weight == 1.0

    def __str__(self) -> str:
        text = f"attention, beam {self.beam_size}, CTC weight {self.ctc_weight:g}"
        if self.by_ctc_alone:
            text = f"CTC prefix scores, beam {self.beam_size}"
        for name in ("maxlenratio", "penalty"):
            if value := getattr(self, name):
                text += f", {name} {value:g}"
        return f"{text}, LM weight {self.lm_weight:g} ({self.lm})" if self.lm else text

    def __post_init__(self) -> None:
        if not 1 <= self.nbest <= self.beam_size or not 0.0 <= self.ctc_weight <= 1.0:
            raise ConfigError(
                "these options make no search.",
                got=f"beam_size={self.beam_size}, nbest={self.nbest}, ctc_weight={self.ctc_weight}",
                want="a beam of at least 1, no more texts than that, and a CTC weight from 0 to 1",
            )

    def speaker(self, model: EarlyExitASRModel) -> Speaker:
        """Says the texts of a model's exits; errors as those of ``AttentionSpeaker``."""
        return AttentionSpeaker(model, self)


class AttentionSpeaker:
    """Says what a search finds at an exit: with its attention decoder, or by CTC alone.

    Where a decoder is to have a say, exits without one speak by greedy CTC.

    Args:
        model: With attention at one exit at least, unless CTC searches alone.
        options: Of the search.

    Raises:
        ConfigError: The model has no decoder, or the language model other tokens.
        CheckpointError: The language model cannot be read.
    """

    def __init__(self, model: EarlyExitASRModel, options: BeamOptions) -> None:
        if not model.attention_layers and not options.by_ctc_alone:
            raise ConfigError(
                "this model has no attention decoder.",
                got=f"ctc_weight: {model.ctc_weight}",
                want="a model trained with ctc_weight below 1",
                fix="decode by CTC",
            )
        self.model, self.options = model, options
        self._flops = FlopTable()
        # What all exits share in a search, besides what each has of its own.
        self._scorers: dict[str, Any] = {"length_bonus": LengthBonus(model.vocab_size)}
        if options.lm:
            device = next(model.parameters()).device
            lm = load_language_model(options.lm, model.token_list, device)
            self._scorers["lm"] = CountedScorer(lm, self._flops, "lm")

    def __call__(self, exit: Exit, log_probs: Tensor) -> list[Hypothesis]:
        """One hypothesis per row, each searched alone: neighbours cannot matter."""
        if not self.options.by_ctc_alone and exit.layer not in self.model.attention_layers:
            return greedy_ctc(log_probs, exit.lengths)
        return [
            self._search(exit.layer, hidden[:n], posteriors[:n])
            for hidden, posteriors, n in zip(
                exit.hidden, log_probs, exit.lengths.tolist(), strict=True
            )
        ]

    def _search(self, layer: int, hidden: Tensor, posteriors: Tensor) -> Hypothesis:
        """``(T, D)`` and ``(T, V)`` to the best texts, operations counted as they run."""
        search, before = self._beam_search(layer, posteriors), self._flops.spent
        memory = hidden
        if not self.options.by_ctc_alone:
            read = self.model.attention_memory
            memory = self._flops.call((layer, hidden.shape), read, layer, hidden[None])[0]
        found = search(x=memory, maxlenratio=self.options.maxlenratio)
        ends = (BLANK, self.model.sos, self.model.eos)
        best = [
            Candidate(tuple(t for t in one.yseq.tolist() if t not in ends), float(one.score))
            for one in found[: self.options.nbest]
        ]
        # None at all where the search ended without any text that ends.
        return Hypothesis.of(best, (self._flops.spent - before) / GIGA)

    def _beam_search(self, layer: int, posteriors: Tensor) -> Any:
        model, options = self.model, self.options
        ctc = CTCPrefixScorer(ctc=_Spoken(posteriors), eos=model.eos)
        scorers, batched = {"ctc": ctc, **self._scorers}, True
        if not options.by_ctc_alone:
            decoder = model.exit_decoder(layer)
            scorers["decoder"] = CountedScorer(decoder, self._flops, "decoder")
            # Recurrent decoders score one hypothesis at a time.
            batched = isinstance(decoder, BatchScorerInterface)
        weights = {
            "decoder": 1.0 - options.ctc_weight,
            "ctc": options.ctc_weight,
            "length_bonus": options.penalty,
            "lm": options.lm_weight,
        }
        return (BatchBeamSearch if batched else BeamSearch)(
            beam_size=options.beam_size,
            vocab_size=model.vocab_size,
            weights=weights,
            scorers=scorers,
            sos=model.sos,
            eos=model.eos,
            token_list=model.token_list,
            # A first choice by all but CTC; there is none where CTC leads.
            pre_beam_score_key=None if options.by_ctc_alone else "full",
        )


class _Spoken:
    """What ESPnet's prefix scorer wants of a CTC layer, for posteriors that are known already."""

    def __init__(self, posteriors: Tensor) -> None:
        self.log_softmax: Callable[[Tensor], Tensor] = lambda hidden: posteriors[None]
