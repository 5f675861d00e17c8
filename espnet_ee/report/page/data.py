"""What the page's script reads: numbers to draw, and texts as the tables have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from espnet_ee.baselines import mix_hull
from espnet_ee.errors import EspnetEEError
from espnet_ee.measured import MeasuredLatency
from espnet_ee.replay import OperatingPoint
from espnet_ee.report.page.clips import Clips
from espnet_ee.report.page.examples import MOST, early_and_wrong, examples, worst_first
from espnet_ee.report.reliability import reliability
from espnet_ee.report.study import Study
from espnet_ee.report.sweeps import sweep_cells, sweep_rows
from espnet_ee.rules.applying import as_good_as_last, rule_scores
from espnet_ee.rules.curves import fit_calibration
from espnet_ee.scored_set import ScoredSet

CALIBRATION = "isotonic"
_DIGITS = 6  # significant ones of what is only drawn


def study_data(study: Study, latency: MeasuredLatency | None, clips: Clips) -> dict[str, Any]:
    """Return one set as plain values; see ``page.js`` for what reads them."""
    scored, points = study.item.scored, study.sweep.points
    cells = [sweep_cells(row) for row in sweep_rows(study.sweep)]
    drawn = [_drawn(scored, point, latency) for point in points]
    fixed = range(len(scored.layers))
    worst = worst_first(scored)
    shown = examples(study, worst[:MOST])
    audio = clips.of_set(study.item.set_name, [example["id"] for example in shown])
    for example in shown:
        example["audio"] = audio.get(example["id"])
    return {
        "name": study.sweep.name,
        "layers": list(scored.header.exits),
        "utterances": len(scored.seconds),
        "floor": scored.header.floor_gflops_per_second,
        "lastCost": drawn[len(fixed) - 1]["cost"],
        "fixed": [{**drawn[index], "layer": scored.header.exits[index]} for index in fixed],
        "mix": [[_short(cost), _short(100 * wer)] for cost, wer in mix_hull(study.item.fixed)],
        "oracle": {**drawn[-1], "cells": cells[-1]},
        "policies": {
            name: {
                "unit": scored.header.policies[name].unit,
                "points": [
                    {
                        **drawn[index],
                        "cells": cells[index],
                        "bad": early_and_wrong(scored, points[index].said),
                    }
                    for index in range(len(points))
                    if points[index].policy == name
                ],
                "chosen": _chosen(study, name),
                "calibration": _calibration(study, name),
            }
            for name in study.chosen
        },
        "chosenOn": " + ".join(study.dev_names) or "this very set",
        "examples": shown,
        "worse": len(worst),
    }


def _drawn(
    scored: ScoredSet, point: OperatingPoint, latency: MeasuredLatency | None
) -> dict[str, Any]:
    place = {"cost": _short(point.gflops_per_second), "wer": _short(100 * point.wer)}
    if latency is not None:
        rtf = np.array(latency.rtf)[point.picks]
        place["rtf"] = _short(float((rtf * scored.seconds).sum() / scored.seconds.sum()))
    return {**place, "counts": list(point.histogram)}


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _chosen(study: Study, policy: str) -> list[list[Any]]:
    """Pairs of a target in WER points and the number of the threshold that dev chose for it."""
    grid = [point.threshold for point in study.sweep.points if point.policy == policy]
    return [
        [f"{100 * choice.excess_target:.1f}", grid.index(choice.result.threshold)]
        for choice in study.chosen[policy]
    ]


def _calibration(study: Study, policy: str) -> list[dict[str, Any]] | str:
    """Promised and kept, per exit but the last; or why there is nothing to show."""
    if study.dev is None:
        return "No development set was decoded: nothing to fit probabilities on."
    scored = study.item.scored
    try:
        rule = fit_calibration(study.dev, policy, CALIBRATION)
        promised = rule_scores(scored, rule)
    except EspnetEEError as error:
        return str(error).splitlines()[0]
    good = as_good_as_last(scored)
    return [
        _panel(layer, promised[:, index], good[:, index])
        for index, layer in enumerate(scored.header.exits[:-1])
    ]


def _panel(layer: int, promised: Any, good: Any) -> dict[str, Any]:
    if not np.isfinite(promised).any():
        return {"layer": layer, "error": None, "bins": []}
    found = reliability(promised, good)
    columns = (found.predicted, found.observed, found.low, found.high)
    return {
        "layer": layer,
        "error": _short(found.error),
        "bins": [[round(float(value), 4) for value in row] for row in zip(*columns, strict=True)],
    }


def finite(values: Any) -> Any:
    """Replace what JSON has no number for by None."""
    if isinstance(values, dict):
        return {key: finite(value) for key, value in values.items()}
    if isinstance(values, Sequence) and not isinstance(values, str):
        return [finite(value) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
