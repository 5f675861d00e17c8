"""espnet-ee compare: does one system err less, or cost less, than another, or is it chance?"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TypeVar

from espnet_ee.bin.options import add_dev_option, not_negative, positive
from espnet_ee.comparison.comparing import Plan, compare
from espnet_ee.comparison.pairing import find_records, pair_up
from espnet_ee.report.comparisons import FORMATS, comparison_text
from espnet_ee.report.files import write_text

Value = TypeVar("Value")

_FEWEST_DRAWS = 100  # a 95 % interval of fewer has ends by chance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee compare``."""
    systems = "experiment, a folder <inference_tag> or <inference_tag>/<set> of one, or a record"
    parser.add_argument("first", metavar="A", help=systems)
    parser.add_argument("second", metavar="B", help="the same, of the other system")
    parser.add_argument(
        "--exits",
        nargs="+",
        type=_pair_of(positive),
        default=[],
        metavar="LAYER[:LAYER]",
        help="layers to compare, of A and of B if they differ; "
        "if not given, all with an exit in both, and the last ones",
    )
    parser.add_argument(
        "--policies",
        nargs="+",
        type=_pair_of(str),
        default=[],
        metavar="NAME[:NAME]",
        help="policies to compare, of A and of B if they differ; if not given, all in both records",
    )
    parser.add_argument(
        "--max-excess-wer",
        nargs="+",
        type=_points,
        default=[0.5],
        metavar="POINTS",
        help="test policies with thresholds for so many points over each last exit's WER",
    )
    parser.add_argument(
        "--target-cost",
        nargs="+",
        type=_share,
        default=[],
        metavar="SHARE",
        help="test them also with thresholds for this mean cost over that of A's last exit, 0 to 1",
    )
    add_dev_option(parser)
    parser.add_argument(
        "--resamples", type=_draws, default=10_000, help="draws of each interval and test"
    )
    parser.add_argument("--seed", type=not_negative, default=0, help="seed of all draws")
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="rates in csv and json are fractions"
    )
    parser.add_argument("--output", metavar="FILE", help="write there instead of the terminal")


def run(args: argparse.Namespace) -> int:
    """Print or write the comparison."""
    plan = Plan(
        exits=tuple(args.exits),
        policies=tuple(args.policies),
        excesses=tuple(points / 100 for points in args.max_excess_wer),
        cost_shares=tuple(args.target_cost),
        seed=args.seed,
        resamples=args.resamples,
    )
    pairs = pair_up(find_records(args.first), find_records(args.second), args.dev)
    text = comparison_text(compare(pairs, plan), args.first, args.second, args.format)
    if args.output:
        write_text(args.output, text)
    else:
        sys.stdout.write(text)
    return 0


def _pair_of(kind: Callable[[str], Value]) -> Callable[[str], tuple[Value, Value]]:
    """``X`` for both systems, or ``X:Y``."""

    def parse(text: str) -> tuple[Value, Value]:
        first, colon, second = text.partition(":")
        if not first or (colon and not second):
            raise argparse.ArgumentTypeError(f"{text!r} names one thing, or two as X:Y")
        return kind(first), kind(second if colon else first)

    parse.__name__ = "pair"  # argparse names it in its complaint
    return parse


def _draws(text: str) -> int:
    value = int(text)
    if value < _FEWEST_DRAWS:
        raise argparse.ArgumentTypeError(f"{value} is less than {_FEWEST_DRAWS}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is no share: above 0, at most 1")
    return value


def _points(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 100.0:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 to 100 points")
    return value
