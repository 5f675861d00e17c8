"""What earlier exits showed of each utterance, in whatever batch it is now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from espnet_ee.policies import Evidence


class _Row(NamedTuple):
    """One utterance in a batch that passed an exit."""

    batch: Evidence
    row: int


class History:
    """Evidence of the exits that utterances have passed.

    Batches are kept as they came: while nobody leaves, they are given back as they are.
    """

    def __init__(self) -> None:
        self._passed: dict[int, list[_Row]] = defaultdict(list)
        self._asked: list[int] = []  # utterances of the last answer, and that answer
        self._answer: list[Evidence] = []

    def add(self, now: Evidence) -> None:
        """Remember an exit that all its utterances pass."""
        utterances = now.utterances.tolist()
        for row, utterance in enumerate(utterances):
            self._passed[utterance].append(_Row(now, row))
        same = utterances == self._asked
        self._asked, self._answer = (utterances, [*self._answer, now]) if same else ([], [])

    def forget(self, utterances: Tensor) -> None:
        """Drop what is known of utterances ``(B,)`` that have stopped."""
        for utterance in utterances.tolist():
            self._passed.pop(utterance, None)

    def of(self, utterances: Tensor) -> list[Evidence]:
        """The exits passed by ``utterances`` ``(B,)``, shallow first, rows in their order."""
        asked = utterances.tolist()
        if asked != self._asked:
            each = [self._passed[utterance] for utterance in asked]
            self._asked, self._answer = asked, [_gather(rows) for rows in zip(*each, strict=True)]
        return self._answer


def _gather(rows: Sequence[_Row]) -> Evidence:
    """The rows, of whatever batches, as one batch."""
    runs = [list(run) for _, run in groupby(rows, key=lambda row: id(row.batch))]
    parts = [_take(run[0].batch, [row.row for row in run]) for run in runs]
    return parts[0] if len(parts) == 1 else Evidence.join(parts)


def _take(batch: Evidence, rows: Sequence[int]) -> Evidence:
    """Some rows of a batch, or the batch itself if that is all of it."""
    if list(rows) == list(range(len(batch.lengths))):
        return batch
    return batch.take(torch.tensor(rows, device=batch.lengths.device))
