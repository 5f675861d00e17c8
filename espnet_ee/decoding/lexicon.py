"""The words a search may say, each spelled in the model's tokens.

A lexicon file has a line ``WORD TOKEN TOKEN ...`` per spelling, as torchaudio's decoder reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from espnet_ee.errors import ConfigError

SPACE = "<space>"
SHOWN = 5  # problems in a message

Spellings = dict[str, list[tuple[str, ...]]]


def read_lexicon(path: Path, token_list: Sequence[str]) -> Spellings:
    """Words to their spellings; a space at a spelling's end belongs to no word and is dropped.

    Raises:
        ConfigError: The file is missing or empty, or has words without spelling or with tokens that
            the model lacks.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"lexicon {path} cannot be read.",
            got=str(error),
            fix="stage 9 of a recipe makes one (./run.sh --use_ngram true)",
        ) from error
    spellings: Spellings = {}
    for line in lines:
        if words := line.split():
            spelling = words[1:-1] if words[-1] == SPACE else words[1:]
            spellings.setdefault(words[0], []).append(tuple(spelling))
    _check(path, spellings, set(token_list))
    return spellings


def _check(path: Path, spellings: Spellings, tokens: set[str]) -> None:
    if not spellings:
        raise ConfigError(f"lexicon {path} has no word.", want="lines 'WORD TOKEN TOKEN ...'")
    wrong = [
        f"{word}: {', '.join(missing) or 'no spelling'}"
        for word, ways in spellings.items()
        for spelling in ways
        if (missing := [token for token in spelling if token not in tokens]) or not spelling
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ConfigError(
            f"lexicon {path} has words that the model cannot spell.",
            got="; ".join(wrong[:SHOWN]) + more,
            want="tokens of the model's token list",
            fix="make it with the recogniser's tokens (./run.sh --use_ngram true, stage 9)",
        )
