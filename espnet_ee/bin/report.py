"""espnet-ee report: RESULTS.md, CSV, figure and page of an experiment, from its records."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from espnet_ee.bin.options import add_dev_option, not_negative
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.measured import MEASURED_NAME, MeasuredLatency
from espnet_ee.record_format import GREEDY
from espnet_ee.replay import OperatingPoint
from espnet_ee.report.choice import worth_drawing
from espnet_ee.report.curves import CURVES_NAME, write_curves
from espnet_ee.report.experiment import Decoded, load_experiment
from espnet_ee.report.figure import Panel, check_matplotlib, draw, make_panel
from espnet_ee.report.files import write_text
from espnet_ee.report.page import PAGE_NAME, check_page_tools, page_text
from espnet_ee.report.page.clips import Clips
from espnet_ee.report.results import dev_of, results_text, tests_of
from espnet_ee.report.study import make_study
from espnet_ee.report.summary import summary_text
from espnet_ee.report.sweeps import sweeps_text

FIGURE = "wer_vs_cost.png"
TABLE = "results.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee report``."""
    parser.add_argument(
        "exp",
        metavar="EXP",
        help="experiment with <inference_tag>/<set>/record.jsonl.gz below it",
    )
    parser.add_argument(
        "--output", metavar="DIR", help="where all that is written goes, EXP if not given"
    )
    parser.add_argument(
        "--compare",
        metavar="[NAME=]EXP",
        action="append",
        default=[],
        help="also show the fixed exits of another experiment; may be repeated",
    )
    add_dev_option(parser)
    parser.add_argument(
        "--latency",
        metavar="JSON",
        help="times by espnet-ee cost --measure --save; "
        f"if not given, EXP/{MEASURED_NAME} where it is there",
    )
    parser.add_argument(
        "--audio",
        metavar="DIR",
        help="folder with SET/wav.scp, such as dump/raw: the page plays what it lists",
    )
    parser.add_argument(
        "--seed", type=not_negative, default=0, help="seed of the bootstrap intervals"
    )


def run(args: argparse.Namespace) -> int:
    """Write RESULTS.md, CSV, figure and page, and print WER per exit."""
    check_matplotlib()
    check_page_tools()
    decoded = load_experiment(args.exp, dev=args.dev)
    audio = _audio(args.audio, decoded)
    compared = [item for text in args.compare for item in _load_compared(text)]
    if any(item.experiment == decoded[0].experiment for item in compared):
        raise ConfigError(
            "Two experiments have the same name.",
            got=decoded[0].experiment,
            fix="name the other one: --compare NAME=EXP",
        )
    latency = _latency(args, decoded)
    output = Path(args.output or args.exp)
    now = datetime.now().astimezone()
    draw(_panels(decoded, compared), output / FIGURE)
    text = results_text(
        decoded,
        compared,
        command=command_line(args),
        figure=FIGURE,
        seed=args.seed,
        now=now,
    )
    write_text(output / "RESULTS.md", text)
    studies = [make_study(item, decoded, args.seed) for item in tests_of(decoded)]
    write_text(output / TABLE, sweeps_text([study.sweep for study in studies], "csv"))
    page = page_text(
        studies,
        latency=latency,
        clips=Clips(audio),
        command=command_line(args),
        seed=args.seed,
        now=now,
    )
    write_text(output / PAGE_NAME, page)
    sys.stdout.write(summary_text([*decoded, *compared]))
    sys.stdout.write(f"\nTables: {output / 'RESULTS.md'}, {output / TABLE}\n")
    sys.stdout.write(f"Figure: {output / FIGURE}\nPage:   {output / PAGE_NAME}\n")
    if write_curves(args.exp, output / CURVES_NAME):
        sys.stdout.write(f"Training curves: {output / CURVES_NAME}\n")
    return 0


def command_line(args: argparse.Namespace) -> str:
    """Return the command that makes this report again."""
    words = ["espnet-ee", "report", args.exp]
    words += ["--output", args.output] if args.output else []
    for other in args.compare:
        words += ["--compare", other]
    for name in args.dev:
        words += ["--dev", name]
    words += ["--latency", args.latency] if args.latency else []
    words += ["--audio", args.audio] if args.audio else []
    words += ["--seed", str(args.seed)] if args.seed else []
    return shlex.join(words)


def _audio(folder: str | None, decoded: Sequence[Decoded]) -> Path | None:
    """The folder of audio.

    Raises:
        ConfigError: It has none of the sets.
    """
    if folder is None:
        return None
    names = [item.set_name for item in tests_of(decoded)]
    if not any((Path(folder) / name / "wav.scp").is_file() for name in names):
        raise ConfigError(
            "There is no audio of these sets in the folder.",
            got=folder,
            want=f"a folder with {names[0]}/wav.scp, as dump/raw of a recipe",
        )
    return Path(folder)


def _latency(args: argparse.Namespace, decoded: Sequence[Decoded]) -> MeasuredLatency | None:
    """Times given, or those beside the records; None if never measured.

    Raises:
        DataError: The file is damaged, or no set was decoded by the model and search measured.
    """
    path = Path(args.latency) if args.latency else Path(args.exp) / MEASURED_NAME
    if not args.latency and not path.exists():
        return None
    latency, header = MeasuredLatency.load(path), decoded[0].scored.header
    if not any(latency.is_of(item.scored.header) for item in decoded):
        raise DataError(
            f"{path} was measured of another model.",
            got=f"checkpoint {latency.setting.checkpoint_sha256[:12]}, exits {latency.layers}, "
            f"{GREEDY}",
            want=f"checkpoint {header.checkpoint_sha256[:12]}, exits {header.exits}, "
            f"{header.decoding}",
            fix=f"espnet-ee cost {args.exp} --measure --save {path}",
        )
    return latency


def _load_compared(text: str) -> list[Decoded]:
    label, equals, folder = text.partition("=")
    return load_experiment(folder, label) if equals else load_experiment(text)


def _label(item: Decoded, compared: Sequence[Decoded]) -> str:
    """Name an experiment, with the inference tag where it was decoded in several ways."""
    tags = {other.tag for other in compared if other.experiment == item.experiment}
    return f"{item.experiment}/{item.tag}" if len(tags) > 1 else item.experiment


def _panels(decoded: Sequence[Decoded], compared: Sequence[Decoded]) -> list[Panel]:
    """Return a panel per test set and tag, with the other experiments' exits on that set."""
    tests = tests_of(decoded)
    several_tags = len({item.tag for item in tests}) > 1
    panels = []
    for item in tests:
        others: Mapping[str, Sequence[OperatingPoint]] = {
            _label(other, compared): other.fixed
            for other in compared
            if other.set_name == item.set_name
        }
        title = f"{item.tag}/{item.set_name}" if several_tags else item.set_name
        drawn = worth_drawing(dev_of(item, decoded)[1] or item.scored)
        panels.append(make_panel(title, item.scored, drawn, others))
    return panels
