"""CTC beam search with a lexicon or an n-gram, by torchaudio's decoder (flashlight-text).

Source: Collobert et al. 2016 (arXiv:1609.03193); KenLM: Heafield 2011.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet_ee.decoding.hypothesis import Candidate
from espnet_ee.decoding.lexicon import SPACE, Spellings, read_lexicon
from espnet_ee.errors import ConfigError
from espnet_ee.nn.alignment import BLANK

# What a search may lose to a certain frame, in nats: -inf would make its sums unordered.
IMPOSSIBLE = -1e4
# Ends a word where no space does: a second blank.
WORD_END, UNKNOWN = "<word-end>", "<unk>"


class LexiconBeam:
    """Searches the log-probabilities of one utterance; built once, used at every exit.

    The decoder closes a word by its last token, whose further frames it then cannot read. So words
    end in a token of their own: ``<space>`` where the model has one, else a copy of the blank. One
    more frame is certain of it and closes the last word. Only without ``<space>`` one kind of path
    is lost: a word's last token for several frames, and the next word behind it without a blank.

    Args:
        token_list: Of the model, blank first.
        lexicon: The only words that may be said; None: any tokens.
        ngram_file: ARPA or KenLM binary, of words with a lexicon, of tokens without; None: none.
        ngram_weight: Of its log10 probabilities.
        word_score: Added for each word of the lexicon.
        beam_size: Hypotheses kept.
        nbest: Texts returned.

    Raises:
        ConfigError: flashlight-text is absent, or a file is missing, damaged or of other words.
    """

    def __init__(
        self,
        token_list: Sequence[str],
        lexicon: Path | None,
        ngram_file: Path | None,
        ngram_weight: float,
        word_score: float,
        beam_size: int,
        nbest: int,
    ) -> None:
        self._nbest = nbest
        self._spaced = SPACE in token_list
        tokens = [*token_list] if self._spaced else [*token_list, WORD_END]
        self._end = tokens.index(SPACE if self._spaced else WORD_END)
        # What the decoder hears between words: the space, or what CTC never says.
        self._silence = self._end if self._spaced else len(token_list) - 1
        spellings = read_lexicon(lexicon, token_list) if lexicon else None
        options = {
            "beam_size": beam_size,
            "nbest": beam_size,  # texts that differ in spaces only are one: more of them are needed
            "lm_weight": ngram_weight,
            "word_score": word_score,
            "blank_token": tokens[BLANK],
            "sil_token": tokens[self._silence],
        }
        self._decoder = _build(tokens, tokens[self._end], spellings, ngram_file, options)

    def __call__(self, log_probs: Tensor) -> list[Candidate]:
        """``(T, V)``, real frames only, to the best texts, best first."""
        found: dict[tuple[int, ...], float] = {}
        for result in self._decoder(self._emissions(log_probs))[0]:
            found.setdefault(self._tokens(result.tokens.tolist()), float(result.score))
        best = [Candidate(tokens, score) for tokens, score in found.items()]
        return best[: self._nbest]

    def _emissions(self, log_probs: Tensor) -> Tensor:
        """``(1, T+1, V or V+1)``: with the end of words, and a frame that is certain of it."""
        frames = log_probs.detach().float().cpu().clamp(min=IMPOSSIBLE)
        if not self._spaced:
            frames = torch.cat([frames, frames[:, BLANK : BLANK + 1]], dim=1)
        certain = torch.full_like(frames[:1], IMPOSSIBLE)
        certain[0, [self._end] if self._spaced else [self._end, BLANK]] = 0.0
        return torch.cat([frames, certain])[None].contiguous()

    def _tokens(self, said: Sequence[int]) -> tuple[int, ...]:
        """Without what stands for the end of a word, and with one space between two words."""
        between = (self._end, self._silence)
        if not self._spaced:
            return tuple(token for token in said if token not in between)
        words = [list(run) for ends, run in groupby(said, self._end.__eq__) if not ends]
        return tuple(token for word in words for token in (self._end, *word))[1:]


def _build(
    tokens: list[str],
    end: str,
    spellings: Spellings | None,
    ngram_file: Path | None,
    options: dict[str, Any],
) -> Any:
    """The decoder of torchaudio, with words that end in ``end``."""
    try:
        from flashlight.lib.text.dictionary import create_word_dict, load_words
        from torchaudio.models.decoder import ctc_decoder
    except ImportError as error:
        raise ConfigError(
            "a search with a lexicon or an n-gram needs flashlight-text.",
            got=str(error),
            fix="pip install 'espnet-ee[beam]' (or flashlight-text), or search without either",
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        lexicon = None
        if spellings is not None:
            lexicon = str(Path(folder, "lexicon.txt"))
            _write_lexicon(lexicon, spellings, end, also_without=end == WORD_END)
            words = create_word_dict(load_words(lexicon))
        else:
            words = create_word_dict(
                {token: [[token]] for token in dict.fromkeys([*tokens, UNKNOWN])}
            )
        lm = _ngram(ngram_file, words, [*(spellings or tokens)]) if ngram_file else None
        return ctc_decoder(lexicon=lexicon, tokens=tokens, lm=lm, **options)


def _write_lexicon(path: str, spellings: Spellings, end: str, also_without: bool) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for word, ways in spellings.items():
            for spelling in dict.fromkeys(ways):
                file.write(f"{word} {' '.join(spelling)} {end}\n")
                if also_without:  # the next word may follow at once
                    file.write(f"{word} {' '.join(spelling)}\n")


def _ngram(path: Path, words: Any, vocabulary: Sequence[str]) -> Any:
    """KenLM's model of ``words``.

    Raises:
        ConfigError: It cannot be read, or knows none of ``vocabulary``.
    """
    from flashlight.lib.text.decoder.kenlm import KenLM

    if not path.is_file():
        raise ConfigError(
            f"n-gram {path} does not exist.",
            fix="stage 9 of a recipe makes one (./run.sh --use_ngram true)",
        )
    try:
        model = KenLM(str(path), words)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"n-gram {path} cannot be read.",
            got=str(error).splitlines()[0],
            want="an ARPA file or KenLM binary",
        ) from error
    start = model.start(False)
    unknown = model.score(start, words.get_index(UNKNOWN))[1]
    known = (
        model.score(start, words.get_index(w))[1] != unknown for w in vocabulary if w != UNKNOWN
    )
    if not any(known):
        raise ConfigError(
            f"n-gram {path} knows none of the {len(vocabulary)} words of the search.",
            got=", ".join(list(vocabulary)[:3]),
            want="an n-gram of words with a lexicon, of tokens without",
        )
    return model
