"""What every experiment's summarise.py does with its text."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

FIGURE = "figure.png"


def write_results(
    results: Callable[[Path], str],
    description: str | None,
    draw: Callable[[Path, Path], None] | None = None,
) -> None:
    """Read the command line, ``RECORDS [--out FILE]``, and write what ``results`` says.

    Args:
        results: Records -> text.
        description: Of the program.
        draw: Records and a path -> the picture, which lies beside the text as ``figure.png``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("records", type=Path)
    parser.add_argument("--out", type=Path, default=Path("RESULTS.md"))
    args = parser.parse_args()
    args.out.write_text(results(args.records), encoding="utf-8")
    if draw is not None:
        draw(args.records, args.out.with_name(FIGURE))
