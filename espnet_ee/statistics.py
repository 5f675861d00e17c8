"""Bootstrap intervals of error rates, resampling speakers. P points, U utterances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from espnet_ee.scoring import FloatArray, IntArray

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Intervals:
    """95 % intervals of ``P`` error rates.

    Attributes:
        low: Lower ends, ``(P,)``.
        high: Upper ends, ``(P,)``.
        unit: What was resampled: ``speakers``, or ``utterances`` for want of speakers.
        units: How many of them.
    """

    low: FloatArray
    high: FloatArray
    unit: str
    units: int

    @property
    def method(self) -> str:
        """Say in one sentence how the intervals were made."""
        reason = "" if self.unit == "speakers" else ", as fewer than 2 speakers are known"
        return f"bootstrap over {self.units} {self.unit}{reason}"


def error_rate_intervals(
    errors: IntArray,
    lengths: IntArray,
    speakers: Sequence[str | None],
    seed: int = 0,
) -> Intervals:
    """Return percentile bootstrap intervals of errors over lengths.

    Utterances of one speaker share their difficulty, so speakers are drawn whole. If fewer
    than 2 speakers are known, or some utterance has none, utterances are drawn instead;
    ``Intervals.method`` says so. All points share the draws.

    Args:
        errors: ``(P, U)`` errors of each point.
        lengths: ``(U,)`` reference words.
        speakers: ``U`` names.
        seed: Of the resampling.

    Source: Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR
    performance evaluation", ICASSP 2004.
    """
    groups, unit = _groups(speakers)
    size = int(groups.max()) + 1
    grouped = np.stack(
        [np.bincount(groups, row, minlength=size).astype(np.float64) for row in (*errors, lengths)]
    )
    if size == 1:  # one utterance: nothing to draw from
        rates = grouped[:-1, 0] / grouped[-1, 0]
        return Intervals(rates, rates, unit, size)
    low, high = _percentiles(grouped, seed)
    return Intervals(low, high, unit, size)


def _groups(speakers: Sequence[str | None]) -> tuple[IntArray, str]:
    names = sorted({speaker for speaker in speakers if speaker is not None})
    if len(names) < 2 or None in speakers:
        return np.arange(len(speakers), dtype=np.int64), "utterances"
    number = {name: index for index, name in enumerate(names)}
    known = [number[speaker] for speaker in speakers if speaker is not None]
    return np.array(known, dtype=np.int64), "speakers"


def _percentiles(grouped: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Bootstrap the rates ``grouped[:-1] / grouped[-1]``, columns being the units drawn."""
    from scipy.stats import bootstrap  # a second that --help need not pay

    size = grouped.shape[1]

    def rates_of(drawn: IntArray, axis: int = -1) -> Any:
        # drawn: (..., R, size) unit indices; how often each unit was drawn gives all sums
        rows = drawn.reshape(-1, size)
        offsets = np.arange(len(rows))[:, None] * size
        times = np.bincount((rows + offsets).ravel(), minlength=len(rows) * size)
        sums = grouped @ times.reshape(-1, size).T.astype(float)  # (P + 1, R)
        rates = sums[:-1] / np.maximum(sums[-1], 1.0)  # a draw may hold no reference word
        return rates.reshape(-1, *drawn.shape[:-1])

    interval = bootstrap(
        (np.arange(size),),
        rates_of,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return np.asarray(interval.low), np.asarray(interval.high)
