"""Promised and reached savings of time, from the measurements in records/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from espnet_ee.errors import DataError
from espnet_ee.report.tables import markdown
from experiments.writing import write_results

_FACTS = ("device", "cpu", "instructions", "precision", "threads", "repeats", "torch", "date")
_COLUMNS = (
    *("way", "utterances of a batch", "mean layer", "promised, % of the time"),
    *("reached", "smallest - largest", "saving reached of promised"),
)


HEAD = """\
# RESULTS

Made by `./run.sh`; do not edit. Wall clock of recognising a set, over the time of full depth in the
same repeat; median over repeats. Promised: the same ratio of GFLOPs. Thresholds are from
development data, for so many per cent of the cost of the last exit there."""


def table(rows: list[dict[str, Any]]) -> list[str]:
    """One row per way and batch size."""
    return markdown(_COLUMNS, [_cells(row) for row in rows])


def _cells(row: dict[str, Any]) -> list[str]:
    promised, reached = row["promised"], row["reached"]
    part = f"{100 * (1 - reached) / (1 - promised):.0f} %" if promised < 0.999 else ""
    return [
        row["way"],
        str(row["batch"]),
        f"{row['mean_layer']:.2f}",
        f"{100 * promised:.1f}",
        f"{100 * reached:.1f}",
        f"{100 * row['reached_min']:.1f} - {100 * row['reached_max']:.1f}",
        part,
    ]


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    paths = sorted(records.glob("*.json"))
    if not paths:
        raise DataError("no measurements", got=str(records), fix="./run.sh")
    lines = HEAD.splitlines()
    for path in paths:
        found = json.loads(path.read_text(encoding="utf-8"))
        facts = ", ".join(f"{k} {found['machine'][k]}" for k in _FACTS if k in found["machine"])
        lines += ["", f"## {path.stem}", "", f"{facts}.", "", *table(found["ways"])]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_results(results, __doc__)
