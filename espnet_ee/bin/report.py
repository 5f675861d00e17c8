"""espnet-ee report: RESULTS.md and the figure of an experiment, from its records."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from espnet_ee.errors import ConfigError
from espnet_ee.replay import OperatingPoint
from espnet_ee.report.choice import worth_drawing
from espnet_ee.report.curves import CURVES_NAME, write_curves
from espnet_ee.report.experiment import Decoded, load_experiment
from espnet_ee.report.figure import Panel, check_matplotlib, draw, make_panel
from espnet_ee.report.files import write_text
from espnet_ee.report.results import dev_of, results_text, tests_of
from espnet_ee.report.summary import summary_text

FIGURE = "wer_vs_cost.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee report``."""
    parser.add_argument(
        "exp",
        metavar="EXP",
        help="experiment with <inference_tag>/<set>/record.jsonl.gz below it",
    )
    parser.add_argument(
        "--output", metavar="DIR", help="where RESULTS.md and the figure go, EXP if not given"
    )
    parser.add_argument(
        "--compare",
        metavar="[NAME=]EXP",
        action="append",
        default=[],
        help="also show the fixed exits of another experiment; may be repeated",
    )
    parser.add_argument(
        "--dev",
        metavar="SET",
        action="append",
        default=[],
        help="set on which thresholds are chosen; may be repeated; "
        "if not given, sets with dev in their name, such as dev_clean or train_dev",
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap intervals")


def run(args: argparse.Namespace) -> int:
    """Write RESULTS.md and the figure, and print WER per exit."""
    check_matplotlib()
    decoded = load_experiment(args.exp, dev=args.dev)
    compared = [item for text in args.compare for item in _load_compared(text)]
    if any(item.experiment == decoded[0].experiment for item in compared):
        raise ConfigError(
            "Two experiments have the same name.",
            got=decoded[0].experiment,
            fix="name the other one: --compare NAME=EXP",
        )
    output = Path(args.output or args.exp)
    draw(_panels(decoded, compared), output / FIGURE)
    text = results_text(
        decoded,
        compared,
        command=command_line(args),
        figure=FIGURE,
        seed=args.seed,
        now=datetime.now().astimezone(),
    )
    write_text(output / "RESULTS.md", text)
    sys.stdout.write(summary_text([*decoded, *compared]))
    sys.stdout.write(f"\nTables: {output / 'RESULTS.md'}\nFigure: {output / FIGURE}\n")
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
    words += ["--seed", str(args.seed)] if args.seed else []
    return shlex.join(words)


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
