"""``espnet-ee lexical``: what the words of a language are, for policies that read text."""

from __future__ import annotations

import argparse
from pathlib import Path

from espnet_ee.data.kaldi import read_table
from espnet_ee.errors import ConfigError
from espnet_ee.lexical import LEXICAL_NAME, Lexical


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--text",
        nargs="+",
        required=True,
        metavar="TEXT",
        help="Kaldi text of the training data, and any other text of its language",
    )
    parser.add_argument(
        "--exp", required=True, metavar="EXP", help=f"experiment; gets {LEXICAL_NAME}"
    )


def run(args: argparse.Namespace) -> int:
    """Learn and write."""
    exp = Path(args.exp)
    if not (exp / "config.yaml").is_file():
        raise ConfigError(f"{exp} is no experiment.", want="a folder with config.yaml")
    texts = [text for path in args.text for text in read_table(Path(path)).values()]
    lexical = Lexical.of_texts(texts)
    lexical.save(exp / LEXICAL_NAME)
    print(f"{exp / LEXICAL_NAME}: {len(lexical.words)} words, {len(lexical.counts)} n-grams")
    return 0
