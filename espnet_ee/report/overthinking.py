"""Overthinking of groups of utterances: how often an earlier exit was as good or better.

Source: Berrebbi et al., arXiv:2211.08989; Kaya et al., arXiv:1810.07052.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from espnet_ee.baselines import earlier_exits
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import IntArray

LENGTH_GROUPS = 4
_FEWEST = 5  # utterances of a group of lengths
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """A share of utterances, 0..1, with its 95 % interval (Wilson, over utterances)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """Overthinking in a part of a set.

    Attributes:
        kind: ``all``, ``length`` or ``speaker``.
        name: Of the part.
        utterances: Number of them.
        better: Share with an earlier exit of fewer word errors than the last.
        as_good: Share with an earlier exit of no more word errors.
        last_wer: WER of the last exit, a fraction; NaN without a reference word.
    """

    kind: str
    name: str
    utterances: int
    better: Share
    as_good: Share
    last_wer: float


def overthinking_groups(scored: ScoredSet) -> list[Group]:
    """Return the whole set, its quarters by length, and its speakers where they are known."""
    parts = [("all", "all", np.arange(len(scored.seconds)))]
    parts += [("length", name, rows) for name, rows in _by_length(scored)]
    parts += [("speaker", name, rows) for name, rows in _by_speaker(scored)]
    return [_group(scored, *part) for part in parts]


def _by_length(scored: ScoredSet) -> Iterator[tuple[str, IntArray]]:
    """Groups of about equally many utterances; equal lengths are never parted."""
    wanted = min(LENGTH_GROUPS, len(scored.seconds) // _FEWEST)
    if wanted < 2:
        return
    inner = np.quantile(scored.seconds, np.linspace(0, 1, wanted + 1)[1:-1])
    number = np.searchsorted(inner, scored.seconds, side="left")
    for group in np.unique(number):
        rows = np.flatnonzero(number == group)
        lengths = scored.seconds[rows]
        yield f"{lengths.min():.1f} - {lengths.max():.1f} s", rows


def _by_speaker(scored: ScoredSet) -> Iterator[tuple[str, IntArray]]:
    known = [speaker for speaker in scored.speakers if speaker is not None]
    for name in sorted(set(known)):
        yield name, np.array([row for row, one in enumerate(scored.speakers) if one == name])


def _group(scored: ScoredSet, kind: str, name: str, rows: IntArray) -> Group:
    better, as_good = (found[rows] for found in earlier_exits(scored))
    words = scored.words.lengths[rows].sum()
    return Group(
        kind,
        name,
        len(rows),
        better=_share(int(better.sum()), len(rows)),
        as_good=_share(int(as_good.sum()), len(rows)),
        last_wer=float(scored.words.errors[rows, -1].sum() / words) if words else float("nan"),
    )


def _share(count: int, of: int) -> Share:
    from scipy.stats import binomtest  # a second that --help need not pay

    ends = binomtest(count, of).proportion_ci(_CONFIDENCE, method="wilson")
    return Share(count / of, float(ends.low), float(ends.high))
