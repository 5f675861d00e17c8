"""Options of ``espnet-ee recognize`` about long files, times and what is written where."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from espnet_ee.errors import ConfigError

if TYPE_CHECKING:
    from espnet_ee.data.cutting import CutOptions
    from espnet_ee.host.transcription import Transcript

FORMATS = {"text": "txt", "json": "json", "srt": "srt", "vtt": "vtt", "ctm": "ctm"}  # file endings
TIMED = ("srt", "vtt", "ctm")
ONE_PER_FILE = ("srt", "vtt")


def length(text: str) -> float:
    """Seconds, 0 or more, perhaps infinite."""
    value = float(text)
    if not value >= 0.0:
        raise argparse.ArgumentTypeError(f"{value} is no length in seconds")
    return value


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Format, times, folder, and how long files are cut."""
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="text",
        help="lines of text or JSON, subtitles (srt, vtt), or words with times (ctm)",
    )
    parser.add_argument(
        "--timestamps", action="store_true", help="of words in text and json; others have them"
    )
    parser.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="one file for each audio file, not stdout"
    )
    parser.add_argument(
        "--max-segment-sec",
        type=length,
        default=30.0,
        help="longer files are cut into pieces of at most so many seconds, and each exits on its "
        "own; inf: never",
    )
    parser.add_argument(
        "--overlap-sec", type=length, default=2.0, help="what two neighbouring pieces share"
    )
    parser.add_argument(
        "--cut-search-sec",
        type=length,
        help="cut at the quietest moment among the last so many seconds; 0: fixed windows; "
        "default: a quarter of a piece",
    )


def cut_of(args: argparse.Namespace) -> CutOptions:
    """How long files are cut.

    Raises:
        ConfigError: Lengths that do not fit each other.
    """
    from espnet_ee.data.cutting import CutOptions

    return CutOptions(args.max_segment_sec, args.overlap_sec, args.cut_search_sec)


def wants_times(args: argparse.Namespace) -> bool:
    """Whether words need their times."""
    return bool(args.timestamps) or args.format in TIMED


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse what would mix the results of several files.

    Raises:
        ConfigError: Several files would be one file of subtitles, or would have the same name.
    """
    if args.format in ONE_PER_FILE and len(args.files) > 1 and not args.output_dir:
        raise ConfigError(
            f"several files make no single {args.format} file.",
            got=f"{len(args.files)} files",
            fix="--output-dir DIR",
        )
    if not args.output_dir and args.format != "ctm":
        return
    names = Counter(Path(file).stem for file in args.files)
    if twice := [name for name, count in names.items() if count > 1]:
        raise ConfigError(
            "results are named after their audio files, some of which have the same name.",
            got=", ".join(twice),
            fix="recognise them in several calls",
        )


def write_outputs(args: argparse.Namespace, transcripts: Mapping[int, Transcript]) -> None:
    """Print transcripts in the order of their files, or write each to a file of its own.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    from espnet_ee.host.output import render

    for place in sorted(transcripts):
        file = args.files[place]
        text = render(file, transcripts[place], args.format)
        if args.output_dir is None:
            sys.stdout.write(text)
            continue
        path = args.output_dir / f"{Path(file).stem}.{FORMATS[args.format]}"
        try:
            args.output_dir.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path} cannot be written.", got=str(error)) from error
