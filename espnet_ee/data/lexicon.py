"""A lexicon file (recipe stage 9): every word of some texts, spelled in the recogniser's tokens."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from espnet_ee.data.command import run_command
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.kaldi import read_table, some
from espnet_ee.data.tokens import words
from espnet_ee.errors import ConfigError, DataError

logger = logging.getLogger(__name__)


def speller(token_type: str, bpemodel: Path | None) -> Callable[[str], list[str]]:
    """A word to tokens, as training spells it between two other words.

    Raises:
        ConfigError: There is no such SentencePiece model.
    """
    if token_type == "char":
        return list
    if token_type == "word":
        return lambda word: [word]
    import sentencepiece

    try:
        model = sentencepiece.SentencePieceProcessor(model_file=str(bpemodel))
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"cannot read {bpemodel}.", got=str(error), fix="run stage 5") from error
    return lambda word: model.encode(word, out_type=str)


def spell(
    texts: Iterable[str], tokens: Sequence[str], spelling: Callable[[str], list[str]]
) -> Iterator[str]:
    """Lines of the lexicon, most frequent word first; words that need other tokens are left out.

    Raises:
        DataError: No word is left.
    """
    spelled = {word: spelling(word) for word in words(texts)}
    known = {word: way for word, way in spelled.items() if {*way} <= {*tokens}}
    if not known:
        raise DataError("There is no word that the recogniser's tokens spell.", want="its texts")
    if lost := spelled.keys() - known.keys():
        logger.info("%d words need tokens that the model lacks: %s", len(lost), some(lost))
    return (f"{word} {' '.join(way)}" for word, way in known.items())


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a lexicon of the words of Kaldi text files.")
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--token_list", type=Path, required=True)
    parser.add_argument("--token_type", choices=("bpe", "char", "word"), default="bpe")
    parser.add_argument("--bpemodel", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    lines = [line for text in args.texts for line in read_table(text).values()]
    tokens = args.token_list.read_text(encoding="utf-8").splitlines()
    write_lines_atomic(args.out, spell(lines, tokens, speller(args.token_type, args.bpemodel)))


if __name__ == "__main__":
    run_command(main)
