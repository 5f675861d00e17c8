"""What both benchmarks share: fair timing, spread, the machine line, tables and result files."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import logging
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from espnet_ee.machine import cpu_name
from espnet_ee.precision import add_precision_option, use_precision

# What users wait for, and what one thread computes: the latter leaves out other programs' turns.
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
SHORTEST_SEC = 0.1  # a timing sample repeats its call until it lasts this long


@dataclass(frozen=True)
class Spread:
    """Median and range over repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of ``values``, which are not empty."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f}-{self.high:.3f})"


def interleaved_sec(
    calls: Mapping[str, Callable[[], object]], repeats: int, clock: str
) -> dict[str, list[float]]:
    """Seconds of each call by one of ``CLOCKS``, one value per repeat; A B C, B C A, C A B, ...

    Values of the same repeat lie close in time, so a ratio of two of them is little disturbed by
    whatever else the machine does. One round to warm up comes before.
    """
    names = list(calls)
    loops = {}
    for name in names:
        calls[name]()
        loops[name] = max(1, math.ceil(SHORTEST_SEC / _timed(calls[name], 1, clock)))
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for repeat in range(repeats):
        turn = repeat % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(_timed(calls[name], loops[name], clock))
    return seconds


def _timed(call: Callable[[], object], loops: int, clock: str) -> float:
    now = CLOCKS[clock]
    start = now()
    for _ in range(loops):
        call()
    return (now() - start) / loops


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """Spread of the ratios within each repeat."""
    return Spread.of([n / d for n, d in zip(numerators, denominators, strict=True)])


def new_parser(doc: str | None, quick: str, repeats: int) -> argparse.ArgumentParser:
    """The options of every benchmark.

    Args:
        doc: Of the benchmark's module; its first line is shown.
        quick: What ``--quick`` leaves.
        repeats: By default.
    """
    parser = argparse.ArgumentParser(
        description=(doc or "").partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--threads", type=int, nargs="+", default=(1,))
    parser.add_argument(
        "--clock", choices=list(CLOCKS), default="wall", help="cpu: one thread, busy machine"
    )
    add_precision_option(parser, "-")
    parser.add_argument("--output", type=_result_path, help="also write rows to .csv or .json")
    return parser


def parse_and_set_up(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Options of the command line; torch computes as they say from here on."""
    args = parser.parse_args(argv)
    use_precision(args.float32_matmul_precision)
    return args


def use_threads(threads: int, clock: str) -> None:
    """Compute with that many threads.

    Raises:
        SystemExit: Fewer cores are allowed, or processor time is asked of several threads.
    """
    if threads > 1 and clock == "cpu":
        raise SystemExit("--clock cpu adds up the threads' waiting; use --clock wall for several")
    allowed = len(os.sched_getaffinity(0))
    if threads > allowed:
        raise SystemExit(f"{threads} threads asked for, but only {allowed} core(s) allowed here")
    torch.set_num_threads(threads)


def quiet_host() -> None:
    """Keep ESPnet's notes on how it builds models out of the tables."""
    logging.getLogger().setLevel(logging.ERROR)


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    from espnet_ee.host.compat import espnet_version

    return {
        "cpu": cpu_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores_allowed": len(os.sched_getaffinity(0)),
        "precision": torch.get_float32_matmul_precision(),
        "load_1_minute": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "espnet": espnet_version(),
        "commit": _commit(),
    }


def _commit() -> str:
    folder = Path(__file__).resolve().parent
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "none"
    return done.stdout.strip()


def machine_line(facts: Mapping[str, Any]) -> str:
    """One line of ``key value`` pairs."""
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items())


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns, right-aligned."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    print(flush=True)


def write_tables(path: Path, facts: Mapping[str, Any], tables: Mapping[str, Sequence[Any]]) -> None:
    """Write dataclass rows: a .json with the machine's facts, or a .csv of all tables' columns."""
    flat = {name: [_flat(row) for row in rows] for name, rows in tables.items()}
    with path.open("w", encoding="utf-8", newline="") as out:
        if path.suffix == ".json":
            json.dump({"machine": dict(facts), **flat}, out, indent=1)
            return
        columns = list(dict.fromkeys(key for rows in flat.values() for row in rows for key in row))
        writer = csv.DictWriter(out, fieldnames=["table", *columns])
        writer.writeheader()
        for name, rows in flat.items():
            writer.writerows({"table": name, **row} for row in rows)


def _flat(row: Any) -> dict[str, Any]:
    """One level of fields: a spread becomes three."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        if isinstance(value, Spread):
            flat[field.name] = value.median
            flat[f"{field.name}_min"], flat[f"{field.name}_max"] = value.low, value.high
        else:
            flat[field.name] = value
    return flat


def _result_path(text: str) -> Path:
    """An ``--output`` value: .csv or .json."""
    path = Path(text)
    if path.suffix not in (".csv", ".json"):
        raise argparse.ArgumentTypeError(f"{text}: want a name that ends in .csv or .json")
    return path
