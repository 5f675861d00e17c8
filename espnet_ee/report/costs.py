"""Costs of each exit as a table for the terminal, as JSON, or as CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import Any

from espnet_ee.exit_costs import ExitCosts, ExitOperations
from espnet_ee.measured import MeasuredLatency
from espnet_ee.report.summary import plain_table

_COLUMNS = ["exit", "block", "parameters", "of model", "GFLOPs", "GFLOPs/s", "share", "scored/s"]
_TIMES = ["p50 ms", "p95 ms", "RTF"]
_LEGEND = """\
parameters: everything below an exit and its own head. GFLOPs: counted from the {origin}
(1 MAC = 2 FLOPs), one utterance on average that stops there and runs that head alone; /s: per
second of audio. share: of the last exit. scored/s: as well, with every exit on the way run and
scored by the costliest policy. Attention decoders and searches are counted nowhere but in the
model's parameters.
"""


def cost_text(costs: ExitCosts, measured: MeasuredLatency | None) -> str:
    """A table for each audio, and what its columns mean."""
    parts = [f"{costs.model}: {costs.num_parameters:,} parameters\n"]
    for one in costs.operations:
        rows = [[*_COLUMNS, *(_TIMES if one.measured else [])], _floor_row(one)]
        rows += [_cells(row) for row in _rows(costs, one)]
        counted = f"{one.utterances} utterances, {one.audio_sec:.1f} s"
        title = one.audio if one.utterances == 1 else f"{one.audio}: {counted}"
        parts.append(f"\n{title}\n{plain_table(rows)}")
    origin = "features" if costs.from_features else "waveform"
    parts.append("\n" + _LEGEND.format(origin=origin))
    return "".join(parts) + (_measured_text(measured) if measured else "")


def cost_json(costs: ExitCosts, measured: MeasuredLatency | None) -> str:
    """One object; lists of exits from shallow to deep."""
    content: dict[str, Any] = {
        "model": costs.model,
        "num_parameters": costs.num_parameters,
        "counted_from": "features" if costs.from_features else "waveform",
        "audio": [
            {
                "audio": one.audio,
                "utterances": one.utterances,
                "audio_sec": one.audio_sec,
                "floor_gflops": one.floor_gflops,
                "exits": _rows(costs, one),
            }
            for one in costs.operations
        ],
        "measured": asdict(measured) if measured else None,
    }
    return json.dumps(content, indent=1) + "\n"


def cost_csv(costs: ExitCosts) -> str:
    """A line for each audio and exit."""
    rows = [
        {"audio": one.audio, "utterances": one.utterances, "audio_sec": one.audio_sec, **row}
        for one in costs.operations
        for row in _rows(costs, one)
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(costs: ExitCosts, one: ExitOperations) -> list[dict[str, Any]]:
    """What is known of each exit; GFLOPs are means over utterances."""
    times = one.measured
    return [
        {
            "exit_index": index,
            "layer": layer,
            "parameters": costs.parameters[index],
            "parameters_share": costs.parameters[index] / costs.num_parameters,
            "gflops": one.gflops[index] / one.utterances,
            "gflops_per_sec": one.per_sec[index],
            "share": one.shares[index],
            "scored_gflops_per_sec": one.scored_gflops[index] / one.audio_sec,
            "p50_ms": times.p50_ms[index] if times else None,
            "p95_ms": times.p95_ms[index] if times else None,
            "rtf": times.rtf[index] if times else None,
        }
        for index, layer in enumerate(costs.layers)
    ]


def _floor_row(one: ExitOperations) -> list[str]:
    floor = one.floor_gflops
    numbers = [f"{floor / one.utterances:.3f}", f"{floor / one.audio_sec:.3f}"]
    share = f"{floor / one.gflops[-1]:.1%}"
    blank = [""] * (len(_TIMES) if one.measured else 0)
    return ["floor", "", "", "", *numbers, share, "", *blank]


def _cells(row: dict[str, Any]) -> list[str]:
    cells = [
        str(row["exit_index"]),
        str(row["layer"]),
        f"{row['parameters']:,}",
        f"{row['parameters_share']:.1%}",
        f"{row['gflops']:.3f}",
        f"{row['gflops_per_sec']:.3f}",
        f"{row['share']:.1%}",
        f"{row['scored_gflops_per_sec']:.3f}",
    ]
    if row["rtf"] is None:
        return cells
    return [*cells, f"{row['p50_ms']:.1f}", f"{row['p95_ms']:.1f}", f"{row['rtf']:.4f}"]


def _measured_text(measured: MeasuredLatency) -> str:
    where = measured.setting
    weights = " with random weights, for want of trained ones" if measured.random_weights else ""
    return (
        f"\nTimes: {measured.utterances} utterance(s) ({measured.source}), one at a time, from\n"
        f"the waveform to the text, every exit on the way scored{weights}.\n"
        f"{where.cpu}, {where.device}, {where.threads} thread(s), {measured.date}\n"
    )
