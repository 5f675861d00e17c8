"""What every experiment's summarise.py does with its text."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def write_results(results: Callable[[Path], str], description: str | None) -> None:
    """Read the command line, ``RECORDS [--out FILE]``, and write what ``results`` says."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("records", type=Path)
    parser.add_argument("--out", type=Path, default=Path("RESULTS.md"))
    args = parser.parse_args()
    args.out.write_text(results(args.records), encoding="utf-8")
