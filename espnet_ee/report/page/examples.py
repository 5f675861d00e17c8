"""Utterances that an early exit got wrong though the last exit did better."""

from __future__ import annotations

from typing import Any

import numpy as np

from espnet_ee.report.page.alignment import aligned_words
from espnet_ee.report.study import Study
from espnet_ee.report.tables import format_threshold
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import IntArray

MOST = 150  # of a set; the worst: the page must stay small


def early_and_wrong(scored: ScoredSet, said: IntArray) -> int:
    """Count utterances whose text at exit ``said`` ``(U,)`` has more word errors than the last."""
    errors = scored.words.errors
    return int((errors[np.arange(len(said)), said] > errors[:, -1]).sum())


def worst_first(scored: ScoredSet) -> IntArray:
    """Return the rows with an exit of more word errors than the last, most excess first."""
    excess = scored.words.errors[:, :-1] - scored.words.errors[:, -1:]
    most = excess.max(axis=1, initial=0)
    rows = np.argsort(-most, kind="stable")
    worst: IntArray = rows[most[rows] > 0]
    return worst


def examples(study: Study, rows: IntArray) -> list[dict[str, Any]]:
    """Return what the page shows of each of ``rows``: texts, errors, scores, where it stops.

    ``stops``: policy -> the exit index taken at each of its thresholds.
    """
    return [_example(study, int(row)) for row in rows]


def _example(study: Study, row: int) -> dict[str, Any]:
    scored, texts = study.item.scored, study.item.texts
    reference = texts.references[row].split()
    stops: dict[str, list[int]] = {name: [] for name in study.chosen}
    for point in study.sweep.points:
        if point.policy in stops:
            stops[point.policy].append(int(point.picks[row]))
    return {
        "id": texts.utt_ids[row],
        "speaker": scored.speakers[row],
        "seconds": round(float(scored.seconds[row]), 2),
        "reference": reference,
        "errors": scored.words.errors[row].tolist(),
        "exits": [aligned_words(reference, text.split()) for text in texts.hypotheses[row]],
        "scores": {
            name: [format_threshold(float(value)) for value in scored.scores[name][row]]
            for name in study.chosen
        },
        "stops": stops,
    }
