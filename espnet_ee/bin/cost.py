"""``espnet-ee cost``: parameters, GFLOPs, measured times up to each exit; before training too."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_ee.bin.options import amount, check_device, positive
from espnet_ee.errors import ConfigError, DataError

if TYPE_CHECKING:
    from espnet_ee.host.exit_table import CostRequest

DEFAULT_SEC = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "model",
        type=Path,
        metavar="MODEL",
        help="configuration of a training (.yaml), experiment folder or its config.yaml, "
        "or packed model (.zip)",
    )
    tokens = parser.add_mutually_exclusive_group()
    tokens.add_argument(
        "--vocab-size", type=positive, help="tokens, if the configuration lists none"
    )
    tokens.add_argument("--token-list", type=Path, help="the same, as a file with a token per line")
    audio = parser.add_mutually_exclusive_group()
    audio.add_argument(
        "--seconds", type=amount, nargs="+", help=f"lengths of utterances; default {DEFAULT_SEC:g}"
    )
    audio.add_argument(
        "--audio", type=Path, nargs="+", help="a Kaldi wav.scp, or audio files, instead of lengths"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="weights that are timed; default: the n-best average"
    )
    parser.add_argument("--measure", action="store_true", help="times on this machine as well")
    parser.add_argument(
        "--utterances",
        type=positive,
        help="how many are taken of --audio, and how many are timed; default: 20 are timed",
    )
    parser.add_argument("--threads", type=positive, default=1, help="of torch on the CPU")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--save", type=Path, metavar="JSON", help="where measured times go")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table")


def run(args: argparse.Namespace) -> int:
    """Count, measure, print, save."""
    _check(args)
    import torch

    torch.set_num_threads(args.threads)
    device = check_device(args.device)
    request, tokens = _request(args), _tokens(args)

    from espnet_ee.host.described import described_model
    from espnet_ee.host.exit_table import exit_costs
    from espnet_ee.report.costs import cost_csv, cost_json, cost_text

    loaded = described_model(args.model, tokens, args.measure, device, args.checkpoint)
    costs, measured = exit_costs(loaded, str(args.model), request)
    if args.format == "csv":
        sys.stdout.write(cost_csv(costs))
    else:
        shown = cost_json if args.format == "json" else cost_text
        sys.stdout.write(shown(costs, measured))
    if measured and args.save:
        measured.save(args.save)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse options that nothing would read, before anything is counted.

    Raises:
        ConfigError: Such an option, or a folder that is not there.
    """
    if args.save and not args.measure:
        raise ConfigError("nothing is measured that could be saved.", fix="add --measure")
    if args.checkpoint and not args.measure:
        raise ConfigError("weights change no cost but time.", fix="add --measure")
    if args.save and not os.access(args.save.absolute().parent, os.W_OK):
        raise ConfigError(f"there is no folder {args.save.parent} that may be written in.")
    if args.save and args.save.is_dir():
        raise ConfigError("times go into a file.", got=f"the folder {args.save}")
    if args.utterances and not (args.audio or args.measure):
        raise ConfigError(
            "--utterances counts those of --audio, or those that are timed.",
            fix="add --audio or --measure",
        )


def _request(args: argparse.Namespace) -> CostRequest:
    """The audio."""
    from espnet_ee.host.exit_table import CostRequest

    files, name = _files(args.audio) if args.audio else ([], "")
    lengths = () if files else tuple(args.seconds or (DEFAULT_SEC,))
    return CostRequest(lengths, files, name, args.utterances, args.measure, args.device)


def _files(paths: list[Path]) -> tuple[list[Path], str]:
    """The files of a ``wav.scp``, or those given, and what they are called."""
    from espnet_ee.data.kaldi import read_table

    if [path.suffix for path in paths] != [".scp"]:
        return paths, paths[0].name if len(paths) == 1 else f"{len(paths)} files"
    table = read_table(paths[0])
    if not table:
        raise DataError(f"{paths[0]} lists no audio.", want="a line '<utterance id> <file>' each")
    return [Path(file) for file in table.values()], f"{paths[0].absolute().parent.name}/wav.scp"


def _tokens(args: argparse.Namespace) -> list[str] | None:
    """Those of the options; None if the configuration is to have them."""
    from espnet_ee.data.tokens import placeholders, read_tokens

    if args.token_list:
        return read_tokens(args.token_list)
    return placeholders(args.vocab_size) if args.vocab_size else None
