"""Token lists (recipe stage 5): characters, words, or subwords by SentencePiece's Python API.

The list is ESPnet's: ``<blank>``, ``<unk>``, the tokens, ``<sos/eos>``.
"""

from __future__ import annotations

import argparse
import logging
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_ee.data.command import count, run_command, share
from espnet_ee.data.files import write_bytes_atomic, write_lines_atomic
from espnet_ee.data.kaldi import read_table
from espnet_ee.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

BLANK, UNKNOWN, SOS_EOS, SPACE = "<blank>", "<unk>", "<sos/eos>", "<space>"
SPECIAL_PIECES = ("<unk>", "<s>", "</s>")  # SentencePiece's own; ESPnet's list replaces them


@dataclass(frozen=True)
class SubwordOptions:
    """How SentencePiece is trained.

    Attributes:
        vocab_size: pieces, SentencePiece's three special ones included.
        mode: ``unigram`` or ``bpe``.
        coverage: share of characters that get a piece.
        symbols: pieces that are never split, e.g. ``("<noise>",)``.
    """

    vocab_size: int
    mode: str = "unigram"
    coverage: float = 1.0
    symbols: tuple[str, ...] = ()


def with_special(tokens: Iterable[str]) -> list[str]:
    """ESPnet's order: blank is 0, unknown is 1, sentence borders come last."""
    return [BLANK, UNKNOWN, *tokens, SOS_EOS]


def placeholders(count: int) -> list[str]:
    """So many tokens of a model whose costs are counted before it has a token list.

    Raises:
        ConfigError: fewer than every token list has.
    """
    fewest = len(with_special([]))
    if count < fewest:
        raise ConfigError(
            "a vocabulary has at least blank, unknown token and sentence border.",
            got=f"{count} tokens",
            want=f"{fewest} or more",
        )
    return with_special(f"token{number}" for number in range(count - fewest))


def read_tokens(path: Path) -> list[str]:
    """A token list, one token per line.

    Raises:
        DataError: the file is missing or empty.
    """
    try:
        tokens = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the token list {path} cannot be read.", got=str(error)) from error
    if not tokens:
        raise DataError(f"the token list {path} is empty.", want="a token per line")
    return tokens


def characters(texts: Iterable[str], symbols: Sequence[str] = ()) -> list[str]:
    """Characters, most frequent first; each of ``symbols`` is one token, a space is ``<space>``."""
    pattern = re.compile("|".join([*map(re.escape, symbols), "."]), re.DOTALL)
    counts = Counter(unit for text in texts for unit in pattern.findall(text))
    return [SPACE if unit == " " else unit for unit in _by_frequency(counts)]


def words(texts: Iterable[str]) -> list[str]:
    """Words, most frequent first."""
    return _by_frequency(Counter(word for text in texts for word in text.split()))


def train_subwords(texts: Sequence[str], folder: Path, options: SubwordOptions) -> list[str]:
    """Train SentencePiece, write ``folder/bpe.model`` and return the pieces in its order.

    Raises:
        ConfigError: the text does not support so many pieces, or needs more.
    """
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_prefix=f"{work}/bpe",
                vocab_size=options.vocab_size,
                model_type=options.mode,
                character_coverage=options.coverage,
                user_defined_symbols=list(options.symbols),
                minloglevel=2,
            )
        except (RuntimeError, OSError) as error:
            raise _subword_error(str(error), options.vocab_size) from None
        content = Path(f"{work}/bpe.model").read_bytes()
    write_bytes_atomic(folder / "bpe.model", content)
    model = sentencepiece.SentencePieceProcessor(model_proto=content)
    pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    return [piece for piece in pieces if piece not in SPECIAL_PIECES]


def _by_frequency(counts: Counter[str]) -> list[str]:
    return sorted(counts, key=lambda unit: (-counts[unit], unit))


def _subword_error(message: str, vocab_size: int) -> ConfigError:
    too_high = re.search(r"value <= (\d+)", message)
    too_low = re.search(r"smaller than required_chars\. \d+ vs (\d+)", message)
    limit = too_high or too_low
    return ConfigError(
        "SentencePiece cannot make that many pieces from the training text.",
        got=f"--nbpe {vocab_size}" if limit else message,
        want=f"at {'most' if too_high else 'least'} {limit[1]}" if limit else "",
        fix=f"--nbpe {limit[1]}" if limit else "look at the training text",
    )


def make_tokens(
    texts: Sequence[str], folder: Path, token_type: str, subwords: SubwordOptions
) -> list[str]:
    """Write ``folder/tokens.txt`` (and ``bpe.model``) and return the token list.

    Raises:
        DataError: there is no text.
        ConfigError: see ``train_subwords``.
    """
    if not any(texts):
        raise DataError("There is no text to make tokens from.", fix="run stages 1 to 4 again")
    if token_type == "bpe":
        tokens = train_subwords(texts, folder, subwords)
    elif token_type == "char":
        tokens = characters(texts, subwords.symbols)
    else:
        tokens = words(texts)
    listed = with_special(tokens)
    write_lines_atomic(folder / "tokens.txt", listed)
    logger.info("%s: %d tokens", folder / "tokens.txt", len(listed))
    return listed


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a token list from a Kaldi text file.")
    parser.add_argument("text", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--token_type", choices=("bpe", "char", "word"), default="bpe")
    parser.add_argument("--nbpe", type=count, default=500)
    parser.add_argument("--bpemode", choices=("unigram", "bpe"), default="unigram")
    parser.add_argument("--bpe_char_cover", type=share, default=1.0)
    parser.add_argument("--symbols", default="", help="never split; separated by commas")
    args = parser.parse_args()
    symbols = tuple(filter(None, args.symbols.split(",")))
    options = SubwordOptions(args.nbpe, args.bpemode, args.bpe_char_cover, symbols)
    texts = list(read_table(args.text).values())
    make_tokens(texts, args.folder, args.token_type, options)


if __name__ == "__main__":
    run_command(main)
