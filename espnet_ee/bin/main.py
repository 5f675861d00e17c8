"""The command `espnet-ee`: find the subcommand, import its module alone, run it.

Exit codes: 0 done, 1 an error that the message explains, 2 a wrong command line,
130 interrupted, 141 the reader of our output went away (`espnet-ee sweep ... | head`).
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from espnet_ee.errors import EspnetEEError
from espnet_ee.spelling import nearest
from espnet_ee.version import __version__

# Name -> (module with add_arguments and run, one line of help). The modules import torch and
# ESPnet, if at all, inside their functions.
SUBCOMMANDS: dict[str, tuple[str, str]] = {
    "recognize": (
        "espnet_ee.bin.recognize",
        "transcribe audio files, stopping as early as they allow",
    ),
    "sweep": ("espnet_ee.bin.sweep", "replay records over thresholds: WER and cost of each policy"),
    "calibrate": (
        "espnet_ee.bin.calibrate",
        "choose a rule and its threshold on development records",
    ),
    "compare": ("espnet_ee.bin.compare", "test how two systems differ: per exit, per policy"),
    "report": ("espnet_ee.bin.report", "write RESULTS.md and the figure of an experiment"),
    "curves": ("espnet_ee.bin.curves", "draw the training of every exit over its epochs"),
    "merge-records": ("espnet_ee.bin.merge_records", "join the records of parallel decoding jobs"),
    "lexical": ("espnet_ee.bin.lexical", "learn words and spelling for policies that read text"),
    "clusters": ("espnet_ee.bin.clusters", "fit what the policy clusters needs, without texts"),
    "card": ("espnet_ee.bin.card", "write the model card of a packed model into it"),
    "upload": ("espnet_ee.bin.upload", "send a packed model, with a card, to the Hugging Face hub"),
    "profile": (
        "espnet_ee.bin.profile",
        "measure how long a model takes to each exit on this machine",
    ),
    "cost": (
        "espnet_ee.bin.cost",
        "parameters, GFLOPs and times up to each exit, before training too",
    ),
}
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 128 + 2  # as a shell reports SIGINT
EXIT_BROKEN_PIPE = 128 + 13  # as a shell reports SIGPIPE
# argparse takes -0.5 for a value but -1e-3 and -inf for options; thresholds may be all three.
NEGATIVE_NUMBER = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^-inf$")


class Parser(argparse.ArgumentParser):
    """An argument parser that names the nearest option; no abbreviated options."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)
        self._negative_number_matcher = NEGATIVE_NUMBER

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but a misspelt option comes with the nearest existing one.

        This comes before the complaint about a missing required option, which is often the
        misspelt one.
        """
        args = sys.argv[1:] if args is None else list(args)
        own = args[: args.index("--")] if "--" in args else args
        given = [word.partition("=")[0] for word in own if word.startswith("--")]
        unknown = [word for word in given if word not in self._option_string_actions]
        if unknown:
            hints = [f"{word}{nearest(word, self._option_string_actions)}" for word in unknown]
            self.error("unknown option " + ", ".join(hints))
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print the message and where to find help on stderr, and leave with code 2."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n  try:  {self.prog} --help\n")


def build_top_parser() -> Parser:
    """The parser of everything before and including the name of the subcommand."""
    width = max(map(len, SUBCOMMANDS))
    table = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in SUBCOMMANDS.items())
    parser = Parser(
        prog="espnet-ee",
        usage="espnet-ee [--version] [--help] SUBCOMMAND ...",
        description="Early-exit speech recognition as an ESPnet plug-in.",
        epilog=f"subcommands:\n{table}\n\nespnet-ee SUBCOMMAND --help shows the options of one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"espnet-ee {__version__}")
    parser.add_argument("subcommand", metavar="SUBCOMMAND", help=argparse.SUPPRESS)
    return parser


def load(name: str) -> ModuleType:
    """Import the module of one subcommand."""
    return importlib.import_module(SUBCOMMANDS[name][0])


def build_parser(name: str) -> Parser:
    """The parser of one subcommand's options."""
    parser = Parser(
        prog=f"espnet-ee {name}",
        description=SUBCOMMANDS[name][1],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    load(name).add_arguments(parser)
    return parser


def run(arguments: Sequence[str]) -> int:
    """Parse the command line, run its subcommand and return the exit code."""
    top = build_top_parser()
    # Only the first word, or the options before it, are ours; the rest belongs to the subcommand.
    first = next((i for i, word in enumerate(arguments) if not word.startswith("-")), None)
    name = top.parse_args(arguments if first is None else arguments[: first + 1]).subcommand
    if name not in SUBCOMMANDS:
        top.error(
            f"unknown subcommand {name}{nearest(name, SUBCOMMANDS)}; "
            f"there are {', '.join(SUBCOMMANDS)}"
        )
    assert first is not None  # else the parser has left for want of a subcommand
    args = build_parser(name).parse_args(arguments[first + 1 :])
    return int(load(name).run(args))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `espnet-ee` with these words, or those of the command line; return the exit code."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.ERROR)
    logging.getLogger("espnet_ee").setLevel(logging.INFO)
    try:
        code = run(sys.argv[1:] if arguments is None else list(arguments))
        sys.stdout.flush()
        return code
    except EspnetEEError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:
        # Python flushes stdout once more at its end; let that go nowhere instead of complaining.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except OSError as error:
        # A full disk, a folder that may not be written: what and where is all there is to say.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
