"""A sweep of thresholds over records, as table, CSV or JSON."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espnet_ee.baselines import (
    SAFE_ORACLE,
    fixed_exits,
    mix_hull,
    mix_wer,
    overthinking,
    safe_oracle,
)
from espnet_ee.errors import ConfigError
from espnet_ee.replay import OperatingPoint, replay, sweep, threshold_grid
from espnet_ee.report.experiment import word_intervals
from espnet_ee.report.summary import plain_table
from espnet_ee.report.tables import format_threshold
from espnet_ee.rules.applying import with_rule
from espnet_ee.rules.file import ChosenRule
from espnet_ee.scored_set import ScoredSet
from espnet_ee.statistics import Intervals

FORMATS = ("table", "csv", "json")

_COLUMNS = (
    "set",
    "policy",
    "threshold",
    "wer",
    "wer_low",
    "wer_high",
    "cer",
    "mix_wer",
    "mean_layer",
    "mean_exit_index",
    "gflops_per_second",
    "histogram",
)
_TITLES = (
    "set",
    "policy",
    "threshold",
    "WER %",
    "95 % interval",
    "CER %",
    "mix %",
    "layer",
    "exit",
    "GFLOPs/s",
    "utterances per exit",
)


@dataclass(frozen=True)
class Sweep:
    """All operating points of one set: fixed exits, policies, safe oracle."""

    name: str
    scored: ScoredSet
    points: tuple[OperatingPoint, ...]
    mix_wers: tuple[float, ...]
    intervals: Intervals


def run_sweep(
    name: str,
    scored: ScoredSet,
    policies: Sequence[str],
    *,
    thresholds: Sequence[float] | None = None,
    grid_points: int = 50,
    rules: Sequence[ChosenRule] = (),
    seed: int = 0,
) -> Sweep:
    """Replay each policy at the given thresholds, or at a grid of its own scores, and each rule.

    Raises:
        ConfigError: A policy that the record does not hold.
    """
    points = fixed_exits(scored)
    for policy in policies:
        if policy not in scored.scores:
            raise ConfigError(
                f"The record of {name} has no scores of this policy.",
                got=policy,
                want=", ".join(scored.scores),
            )
        grid = thresholds or threshold_grid(scored.scores[policy], grid_points).tolist()
        points += sweep(scored, policy, grid)
    points += [_ruled(scored, chosen) for chosen in rules]
    points.append(safe_oracle(scored))
    return make_sweep(name, scored, points, seed)


def make_sweep(
    name: str, scored: ScoredSet, points: Sequence[OperatingPoint], seed: int = 0
) -> Sweep:
    """Put beside each point what a mix of fixed exits gives at its cost, and its interval."""
    hull = mix_hull(fixed_exits(scored))
    mixes = tuple(mix_wer(hull, point.gflops_per_second) for point in points)
    return Sweep(name, scored, tuple(points), mixes, word_intervals(scored, points, seed))


def _ruled(scored: ScoredSet, chosen: ChosenRule) -> OperatingPoint:
    """What a rule file gives.

    Raises:
        ConfigError: It was chosen for another model, or needs policies that the record lacks.
    """
    chosen.check_model(scored.header.checkpoint_sha256, scored.header.exits)
    judged = with_rule(scored, chosen.rule, look_back=chosen.look_back)
    point = replay(judged, chosen.rule.name, chosen.threshold, chosen.look_back)
    back = f" + look-back by {chosen.look_back}" if chosen.look_back else ""
    return dataclasses.replace(point, policy=f"rule: {point.policy}{back}")


def sweeps_text(sweeps: Sequence[Sweep], form: str) -> str:
    """Return the sweeps in one of ``FORMATS``."""
    if form == "csv":
        return _csv(sweeps)
    if form == "json":
        return json.dumps([_json(item) for item in sweeps], indent=1) + "\n"
    return _table(sweeps)


def sweep_rows(item: Sweep) -> list[dict[str, Any]]:
    """Return a row of plain values per point; rates are fractions."""
    return [
        {
            "set": item.name,
            "policy": point.policy,
            "threshold": point.threshold,
            "wer": point.wer,
            "wer_low": float(item.intervals.low[index]),
            "wer_high": float(item.intervals.high[index]),
            "cer": point.cer,
            "mix_wer": item.mix_wers[index],
            "mean_layer": point.mean_layer,
            "mean_exit_index": point.mean_exit_index,
            "gflops_per_second": point.gflops_per_second,
            "histogram": list(point.histogram),
        }
        for index, point in enumerate(item.points)
    ]


def _csv(sweeps: Sequence[Sweep]) -> str:
    """Rates are fractions; an empty cell is a baseline without threshold or mix."""
    target = io.StringIO()
    writer = csv.DictWriter(target, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for item in sweeps:
        for row in sweep_rows(item):
            histogram = " ".join(map(str, row["histogram"]))
            known = {key: "" if _is_nan(value) else value for key, value in row.items()}
            writer.writerow({**known, "histogram": histogram})
    return target.getvalue()


def _json(item: Sweep) -> Mapping[str, Any]:
    """Infinite thresholds are the strings ``-inf`` and ``inf``, as ``float()`` reads them."""
    shares = overthinking(item.scored)
    return {
        "set": item.name,
        "exits": list(item.scored.header.exits),
        "checkpoint_sha256": item.scored.header.checkpoint_sha256,
        "policies": {name: p.unit for name, p in item.scored.header.policies.items()},
        "interval": item.intervals.method,
        "overthinking": {"strictly_better": shares.strictly_better, "no_worse": shares.no_worse},
        "points": [
            {key: json_value(value) for key, value in row.items() if key != "set"}
            for row in sweep_rows(item)
        ],
    }


def json_value(value: Any) -> Any:
    """What JSON has for it: NaN is null, infinities are the strings ``float()`` reads."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _table(sweeps: Sequence[Sweep]) -> str:
    rows: list[Sequence[str]] = [_TITLES]
    for item in sweeps:
        rows += [sweep_cells(row) for row in sweep_rows(item)]
    text = plain_table(rows)
    for item in sweeps:
        shares = overthinking(item.scored)
        text += (
            f"\n{item.name}: 95 % intervals by {item.intervals.method}; "
            f"exits after layers {', '.join(map(str, item.scored.header.exits))}; "
            f"overthinking {100 * shares.strictly_better:.1f} %\n"
        )
    return text


def sweep_cells(row: Mapping[str, Any]) -> list[str]:
    """Return a row as text, in the order of the table's columns."""
    fixed = _is_nan(row["threshold"])
    return [
        row["set"],
        row["policy"],
        "" if fixed else format_threshold(row["threshold"]),
        f"{100 * row['wer']:.2f}",
        f"{100 * row['wer_low']:.2f} - {100 * row['wer_high']:.2f}",
        f"{100 * row['cer']:.2f}",
        "" if row["policy"] == SAFE_ORACLE else f"{100 * row['mix_wer']:.2f}",
        f"{row['mean_layer']:.2f}",
        f"{row['mean_exit_index']:.2f}",
        f"{row['gflops_per_second']:.3f}",
        " ".join(map(str, row["histogram"])),
    ]
