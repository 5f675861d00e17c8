"""A comparison of two systems, as table, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from espnet_ee.comparison.comparing import LEVEL, Comparison, PolicyTradeOff, Tested
from espnet_ee.report.summary import plain_table
from espnet_ee.report.sweeps import json_value
from espnet_ee.report.tables import markdown

FORMATS = ("table", "markdown", "csv", "json")

_LEGEND = (
    "B - A: WER points, with a 95 % interval for that row alone. p: permutation test that swaps "
    "the results of whole {units}. MAPSSWE: matched pairs of segments between words that both have "
    "right. adj.: by Holm for all {count} rows, so that the chance of any false alarm among them "
    "is at most {level:.0f} %. better: by p adj. of the permutations. A policy has a threshold of "
    "each system's own, chosen on its development set: +X for X points over its last exit, X % for "
    "that share of the cost of A's last exit."
)

_TRADE_OFF_LEGEND = (
    "Along all thresholds of a policy, mixing neighbours at random; layer mixes fixed exits. Equal "
    "costs are shares of that of A's last exit; equal WERs are points above that of the worse of "
    "both last exits."
)

_WIDTH = 100

_TEST_TITLES = (
    *("set", "setting", "WER A", "WER B", "B - A", "95 %", "GFLOPs/s A", "GFLOPs/s B"),
    *("p", "p adj.", "MAPSSWE", "MAPSSWE adj.", "better"),
)
_CSV_COLUMNS = (
    *("table", "set", "setting", "first", "second", "difference", "low", "high"),
    *("first_threshold", "second_threshold", "first_gflops_per_second"),
    *("second_gflops_per_second", "permutation_p", "adjusted_permutation_p", "segments"),
    *("segment_z", "segment_p", "adjusted_segment_p", "better"),
)
_TABLES = {"cost": "wer_at_equal_cost", "WER": "cost_at_equal_wer"}


def comparison_text(comparison: Comparison, first: str, second: str, form: str) -> str:
    """Return a comparison in one of ``FORMATS``.

    Args:
        comparison: What was found.
        first: Path of A.
        second: Path of B.
        form: The format; rates in ``csv`` and ``json`` are fractions.
    """
    if form == "csv":
        return _csv(comparison)
    if form == "json":
        return _json(comparison, first, second)
    return _text(comparison, first, second, form)


def _text(comparison: Comparison, first: str, second: str, form: str) -> str:
    def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        if form == "markdown":
            return "\n".join(markdown(titles, rows)) + "\n"
        return plain_table([titles, *rows])

    quote = "`" if form == "markdown" else ""
    parts = [f"A: {quote}{first}{quote}\nB: {quote}{second}{quote}\n"]
    parts.append(table(_TEST_TITLES, [_test_cells(row) for row in comparison.tested]))
    parts.append(_legend(comparison))
    for kind, title, unit in (
        ("cost", "WER at equal cost", "points"),
        ("WER", "Cost at equal WER", "%"),
    ):
        rows = [row for row in comparison.trade_offs if row.trade_off.equal == kind]
        values = "WER" if kind == "cost" else "GFLOPs/s"
        titles = ("set", "policy", kind, f"{values} A", f"{values} B", f"B - A, {unit}", "95 %")
        heading = f"### {title}\n" if form == "markdown" else f"{title}\n"
        parts += [heading, table(titles, [_trade_cells(row) for row in rows])]
    parts += [f"{fill(text, _WIDTH)}\n" for text in (_TRADE_OFF_LEGEND, *comparison.notes)]
    return "\n".join(parts)


def _legend(comparison: Comparison) -> str:
    kinds = list(dict.fromkeys(comparison.units))
    text = _LEGEND.format(units=" or ".join(kinds), count=len(comparison.tested), level=100 * LEVEL)
    methods = "; ".join(f"{m} ({', '.join(names)})" for m, names in comparison.methods.items())
    return f"{fill(text, _WIDTH)}\n95 % intervals, seed {comparison.seed}: {methods}.\n"


def _test_cells(row: Tested) -> list[str]:
    first, second = row.setting.first, row.setting.second
    return [
        row.set_name,
        row.setting.name,
        f"{100 * first.wer:.2f}",
        f"{100 * second.wer:.2f}",
        f"{100 * row.difference:+.2f}",
        f"{100 * row.low:+.1f} to {100 * row.high:+.1f}",
        f"{first.gflops_per_second:.3f}",
        f"{second.gflops_per_second:.3f}",
        *map(
            _p,
            (row.permutation_p, row.adjusted_permutation_p, row.segment.p, row.adjusted_segment_p),
        ),
        row.better,
    ]


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.0005 else "<0.001"


def _trade_cells(row: PolicyTradeOff) -> list[str]:
    point = row.trade_off
    values = (point.first, point.second)
    if point.equal == "cost":
        target = f"{100 * point.target:g} %"
        shown = [f"{100 * value:.2f}" for value in values]
    else:
        target = f"+{100 * point.target:g}"
        shown = [f"{value:.3f}" for value in values]
    digits = 2 if point.equal == "cost" else 0
    known = not math.isnan(point.difference)
    difference = f"{100 * point.difference:+.{digits}f}" if known else ""
    ends = (f"{100 * end:+.{max(digits - 1, 0)}f}" for end in (point.low, point.high))
    cells = ["" if math.isnan(v) else text for v, text in zip(values, shown, strict=True)]
    return [
        row.set_name,
        row.policy,
        target,
        *cells,
        difference,
        " to ".join(ends) if known else "",
    ]


def _test_record(row: Tested) -> dict[str, Any]:
    first, second = row.setting.first, row.setting.second
    return {
        "set": row.set_name,
        "setting": row.setting.name,
        "first": first.wer,
        "second": second.wer,
        "difference": row.difference,
        "low": row.low,
        "high": row.high,
        "first_threshold": first.threshold,
        "second_threshold": second.threshold,
        "first_gflops_per_second": first.gflops_per_second,
        "second_gflops_per_second": second.gflops_per_second,
        "permutation_p": row.permutation_p,
        "adjusted_permutation_p": row.adjusted_permutation_p,
        "segments": row.segment.segments,
        "segment_z": row.segment.z,
        "segment_p": row.segment.p,
        "adjusted_segment_p": row.adjusted_segment_p,
        "better": row.better,
    }


def _trade_record(row: PolicyTradeOff) -> dict[str, Any]:
    point = row.trade_off
    return {
        "set": row.set_name,
        "policy": row.policy,
        "equal": point.equal,
        "target": point.target,
        "first": point.first,
        "second": point.second,
        "difference": point.difference,
        "low": point.low,
        "high": point.high,
    }


def _csv(comparison: Comparison) -> str:
    """One line per row of all tables; an empty cell is what a table has not, or out of reach."""
    target = io.StringIO()
    writer = csv.DictWriter(target, _CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    rows = [{"table": "test", **_test_record(row)} for row in comparison.tested]
    for row in comparison.trade_offs:
        record = _trade_record(row)
        policy, equal, share = (record.pop(key) for key in ("policy", "equal", "target"))
        rows.append(
            {"table": _TABLES[equal], "setting": f"{policy} at {share:g}", **record},
        )
    for record in rows:
        known = {key: "" if value != value else value for key, value in record.items()}  # NaN
        writer.writerow(known)
    return target.getvalue()


def _json(comparison: Comparison, first: str, second: str) -> str:
    def values(record: dict[str, Any]) -> dict[str, Any]:
        return {key: json_value(value) for key, value in record.items()}

    found = {
        "first": first,
        "second": second,
        "comparisons": len(comparison.tested),
        "correction": "Holm",
        "seed": comparison.seed,
        "resamples": comparison.resamples,
        "intervals": comparison.methods,
        "tests": [values(_test_record(row)) for row in comparison.tested],
        "trade_offs": [values(_trade_record(row)) for row in comparison.trade_offs],
        "notes": list(comparison.notes),
    }
    return json.dumps(found, indent=1) + "\n"
