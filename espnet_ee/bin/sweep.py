"""espnet-ee sweep: replay records over thresholds, beside fixed exits, mix and oracle."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from espnet_ee.bin.options import not_negative
from espnet_ee.data.kaldi import read_table
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.records import Record, read_record
from espnet_ee.report.files import write_text
from espnet_ee.report.sweeps import FORMATS, Sweep, run_sweep, sweeps_text
from espnet_ee.rules.file import read_rule
from espnet_ee.scored_set import LAYER, score_set
from espnet_ee.scoring import check_covered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee sweep``."""
    parser.add_argument("records", nargs="+", metavar="RECORD", help="record.jsonl.gz of a set")
    parser.add_argument(
        "--policy",
        nargs="+",
        action="extend",
        metavar="NAME",
        help="policies to replay, all in the record if not given",
    )
    parser.add_argument(
        "--rule",
        action="append",
        default=[],
        metavar="YAML",
        help="replay a rule file of espnet-ee calibrate; without --policy, no policy beside it",
    )
    parser.add_argument("--points", type=int, default=50, help="thresholds per policy")
    parser.add_argument(
        "--thresholds",
        metavar="A,B,...",
        help="these thresholds instead, of a single --policy; "
        "with an equals sign before a minus: --thresholds=-0.3,-0.1,inf",
    )
    parser.add_argument("--ref", metavar="TEXT", help="Kaldi text instead of the references inside")
    parser.add_argument("--utt2spk", metavar="FILE", help="Kaldi utt2spk instead of the speakers")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help="rates in csv and json are fractions",
    )
    parser.add_argument("--output", metavar="FILE", help="write there instead of the terminal")
    parser.add_argument("--figure", metavar="PNG", help="also draw WER against cost")
    parser.add_argument(
        "--seed", type=not_negative, default=0, help="seed of the bootstrap intervals"
    )


def run(args: argparse.Namespace) -> int:
    """Print or write the sweep, and draw it if asked."""
    thresholds = _thresholds(args)
    records = [read_record(path) for path in args.records]
    texts = read_table(Path(args.ref)) if args.ref else None
    utt2spk = read_table(Path(args.utt2spk)) if args.utt2spk else None
    if texts is not None:
        check_covered(records, texts, args.ref)
    rules = [read_rule(path) for path in args.rule]
    sweeps = []
    for name, record in zip(_names(args.records, records), records, strict=True):
        scored = score_set(record, texts, utt2spk)
        policies = args.policy or ([] if rules else list(record.header.policies))
        sweeps.append(
            run_sweep(
                name,
                scored,
                policies,
                thresholds=thresholds,
                grid_points=args.points,
                rules=rules,
                seed=args.seed,
            )
        )
    text = sweeps_text(sweeps, args.format)
    if args.output:
        write_text(args.output, text)
    else:
        sys.stdout.write(text)
    if args.figure:
        _draw(sweeps, args.figure)
    return 0


def _thresholds(args: argparse.Namespace) -> list[float] | None:
    if args.thresholds is None:
        return None
    if not args.policy or len(args.policy) != 1:
        raise ConfigError(
            "Thresholds have the unit of one policy.",
            got=f"--policy {' '.join(args.policy or ['(all)'])}",
            fix="name one policy, such as --policy entropy --thresholds=-0.3,-0.1",
        )
    try:
        values = [float(word) for word in args.thresholds.split(",")]
    except ValueError as error:
        raise ConfigError("Thresholds are not numbers.", got=args.thresholds) from error
    if any(map(math.isnan, values)):
        raise ConfigError("A threshold cannot be NaN.", got=args.thresholds)
    return values


def _names(paths: Sequence[str], records: Sequence[Record]) -> list[str]:
    """Return the set names, or the paths where two records are of one set."""
    names = [record.header.set_name for record in records]
    if len(set(paths)) < len(paths):
        raise DataError("A record is given twice.", got=" ".join(paths))
    return [
        path if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)
    ]


def _draw(sweeps: Sequence[Sweep], path: str) -> None:
    from espnet_ee.report.figure import draw, make_panel

    panels = []
    for item in sweeps:
        policies = dict.fromkeys(point.policy for point in item.points)
        swept = [name for name in policies if name in item.scored.scores and name != LAYER]
        panels.append(make_panel(item.name, item.scored, swept))
    draw(panels, path)
