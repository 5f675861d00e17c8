"""CTC beam search with a lexicon or an n-gram, by torchaudio's decoder (flashlight-text).

Source: Collobert et al. 2016 (arXiv:1609.03193); KenLM: Heafield 2011.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
        spaced = SPACE in token_list
        tokens = [*token_list] if spaced or lexicon is None else [*token_list, WORD_END]
        # What the decoder hears between words, or at both ends: the space, or what CTC never says.
        self._silence = token_list.index(SPACE) if spaced and lexicon else len(token_list) - 1
        self._end = (self._silence if spaced else len(token_list)) if lexicon else None
        options = {
            "tokens": tokens,
            "beam_size": beam_size,
            "nbest": beam_size,  # texts that differ in spaces only are one: more of them are needed
            "lm_weight": ngram_weight,
            "word_score": word_score,
            "blank_token": tokens[BLANK],
            "sil_token": tokens[self._silence],
        }
        try:
            from torchaudio.models.decoder import ctc_decoder  # noqa: F401
        except (ImportError, RuntimeError) as error:  # the latter from torchaudio itself
            raise ConfigError(
                "a search with a lexicon or an n-gram needs flashlight-text.",
                got=str(error).splitlines()[0],
                want="flashlight-text, which has wheels for Python 3.11 and 3.12",
                fix="pip install 'espnet-ee[beam]' (or flashlight-text), or search without either",
            ) from error
        if ngram_file is not None and not ngram_file.is_file():
            raise ConfigError(
                f"n-gram {ngram_file} does not exist.",
                fix="stage 9 of a recipe makes one (./run.sh --use_ngram true)",
            )
        if lexicon is None:
            self._decoder = _of_tokens(ngram_file, options)
        else:
            spellings = read_lexicon(lexicon, token_list)
            self._decoder = _of_words(spellings, tokens[self._end or 0], ngram_file, options)

    def __call__(self, log_probs: Tensor) -> list[Candidate]:
        """``(T, V)``, real frames only, to the best texts, best first."""
        found: dict[tuple[int, ...], float] = {}
        for result in self._decoder(self._emissions(log_probs))[0]:
            found.setdefault(self._tokens(result.tokens.tolist()), float(result.score))
        best = [Candidate(tokens, score) for tokens, score in found.items()]
        return best[: self._nbest]

    def _emissions(self, log_probs: Tensor) -> Tensor:
        """``(1, T, V)``; with a lexicon the end of words, and a frame that is certain of it."""
        frames = log_probs.detach().float().cpu().clamp(min=IMPOSSIBLE)
        if self._end is not None:
            ends = [self._end]
            if self._end == frames.shape[1]:
                frames = torch.cat([frames, frames[:, BLANK : BLANK + 1]], dim=1)
                ends = [self._end, BLANK]
            certain = torch.full_like(frames[:1], IMPOSSIBLE)
            certain[0, ends] = 0.0
            frames = torch.cat([frames, certain])
        return frames[None].contiguous()

    def _tokens(self, said: Sequence[int]) -> tuple[int, ...]:
        """Without what stands for silence or the end of a word; one space between two words."""
        if self._end != self._silence:
            return tuple(token for token in said if token not in (self._end, self._silence))
        words = [list(run) for ends, run in groupby(said, self._end.__eq__) if not ends]
        return tuple(token for word in words for token in (self._silence, *word))[1:]


def _of_words(
    spellings: Spellings, end: str, ngram_file: Path | None, options: dict[str, Any]
) -> Any:
    """The decoder of words that end in ``end``."""
    from torchaudio.models.decoder import ctc_decoder

    with tempfile.TemporaryDirectory() as folder:
        lexicon = Path(folder, "lexicon.txt")
        # Where no space ends a word, the next one may follow at once.
        endings = [f" {end}", ""] if end == WORD_END else [f" {end}"]
        lexicon.write_text(
            "".join(
                f"{word} {' '.join(spelling)}{ending}\n"
                for word, ways in spellings.items()
                for spelling in dict.fromkeys(ways)
                for ending in endings
            ),
            encoding="utf-8",
        )
        lm = str(ngram_file) if ngram_file else None
        with _naming(ngram_file):
            decoder = ctc_decoder(lexicon=str(lexicon), lm=lm, **options)
    if ngram_file:
        _check_words(ngram_file, decoder.lm, decoder.word_dict, [*spellings])
    return decoder


def _of_tokens(ngram_file: Path | None, options: dict[str, Any]) -> Any:
    """The decoder of any tokens."""
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary
    from torchaudio.models.decoder import ctc_decoder

    # In the order of the tokens: by their number the decoder asks, and torchaudio's own dictionary
    # of them has the order of a hash table.
    listed = [*options["tokens"]]
    words = Dictionary(listed if UNKNOWN in listed else [*listed, UNKNOWN])
    with _naming(ngram_file):
        lm = KenLM(str(ngram_file), words)
    assert ngram_file is not None  # without either, our own prefix beam searches
    _check_words(ngram_file, lm, words, listed)
    return ctc_decoder(lexicon=None, lm=lm, **options)


@contextmanager
def _naming(ngram_file: Path | None) -> Iterator[None]:
    """What KenLM cannot read is the user's file."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"n-gram {ngram_file} cannot be read.",
            got=str(error).splitlines()[0],
            want="an ARPA file or KenLM binary",
        ) from error


def _check_words(path: Path, model: Any, words: Any, vocabulary: Sequence[str]) -> None:
    """Refuse an n-gram that knows none of ``vocabulary``: it would score all texts alike."""
    start = model.start(False)
    unknown = model.score(start, words.get_index(UNKNOWN))[1]
    if all(model.score(start, words.get_index(word))[1] == unknown for word in vocabulary):
        raise ConfigError(
            f"n-gram {path} knows none of the {len(vocabulary)} words of the search.",
            got=", ".join(vocabulary[:3]),
            want="an n-gram of words with a lexicon, of tokens without",
        )
