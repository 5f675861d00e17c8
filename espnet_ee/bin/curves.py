"""espnet-ee curves: losses and error rates of every exit over a training's epochs, as a picture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from espnet_ee.errors import DataError
from espnet_ee.report.curves import CURVES_NAME, draw_curves
from espnet_ee.training_history import CHECKPOINT, LOG, find_history


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee curves``."""
    parser.add_argument("exp", metavar="EXP", type=Path, help="experiment, trained or in training")
    parser.add_argument(
        "--output", type=Path, metavar="PNG", help=f"EXP/{CURVES_NAME} if not given"
    )


def run(args: argparse.Namespace) -> int:
    """Draw the picture."""
    history = find_history(args.exp)
    if history is None:
        raise DataError(
            f"{args.exp} has no state of a training.",
            want=f"{CHECKPOINT}, or a {LOG} with an epoch at least",
            fix="train first (stage 11); a packed model holds its weights alone",
        )
    output = args.output or args.exp / CURVES_NAME
    draw_curves(history, output)
    sys.stdout.write(f"{output}\n")
    return 0
