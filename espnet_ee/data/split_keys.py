"""Split the ids of a file over jobs: ``wav.scp`` -> ``keys.1.scp``, ``keys.2.scp``, ..."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from espnet_ee.data.command import count, run_command
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.kaldi import read_table
from espnet_ee.errors import DataError

T = TypeVar("T")


def split_evenly(items: Sequence[T], parts: int) -> list[Sequence[T]]:
    """Consecutive parts whose sizes differ by at most one."""
    bounds = [len(items) * part // parts for part in range(parts + 1)]
    return [items[low:high] for low, high in zip(bounds, bounds[1:], strict=False)]


def write_splits(source: Path, prefix: str, num_jobs: int) -> None:
    """Write the lines of ``source`` to ``PREFIX.1.scp`` up to ``PREFIX.num_jobs.scp``.

    Raises:
        DataError: there are fewer lines than jobs.
    """
    lines = [f"{key} {value}".rstrip() for key, value in read_table(source).items()]
    if len(lines) < num_jobs:
        raise DataError(
            f"{source} has fewer utterances than there are jobs.",
            got=f"{len(lines)} utterances, {num_jobs} jobs",
            fix=f"--nj {max(len(lines), 1)} --inference_nj {max(len(lines), 1)}",
        )
    for number, part in enumerate(split_evenly(lines, num_jobs), 1):
        write_lines_atomic(Path(f"{prefix}.{number}.scp"), part)


def main() -> None:
    parser = argparse.ArgumentParser(description="Split the ids of files over jobs.")
    parser.add_argument("num_jobs", type=count)
    parser.add_argument("splits", nargs="+", metavar="FILE:PREFIX")
    args = parser.parse_args()
    for split in args.splits:
        source, prefix = split.split(":")
        write_splits(Path(source), prefix, args.num_jobs)


if __name__ == "__main__":
    run_command(main)
