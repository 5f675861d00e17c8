"""Streams of utterances whose threshold follows what was seen: choose, decode, observe.

A chooser names the threshold of the next call. A call decodes one utterance or several; they share
its threshold, and the chooser hears of them when all are done. So what it decides depends on the
order of the utterances and on how many a call has, never on the batches they are decoded in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet_ee.replay import first_exit, stop_gflops
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import FloatArray, IntArray


@dataclass(frozen=True)
class Outcome:
    """What a chooser learns from one utterance.

    Attributes:
        scores: The policy's scores of the exits passed and, last, of the one taken.
        cost: Of stopping there, in GFLOPs or in seconds of computing.
        seconds: Of audio.
    """

    scores: tuple[float, ...]
    cost: float
    seconds: float


class ThresholdChooser(ABC):
    """Chooses thresholds one call after the other, without references."""

    @property
    @abstractmethod
    def threshold(self) -> float:
        """Of the next call, in the policy's unit."""

    @abstractmethod
    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Learn from the utterances of the call that had ``threshold``, in their order."""


@dataclass(frozen=True)
class ReplayedStream:
    """What a chooser does on a stream, N utterances long.

    Attributes:
        order: Row of the scored set of each, ``(N,)``.
        picks: Exit index of each, ``(N,)``.
        thresholds: In effect for each, ``(N,)``.
        costs: Of each, ``(N,)``, in the unit of the costs replayed.
        seconds: Of audio, ``(N,)``.
    """

    order: IntArray
    picks: IntArray
    thresholds: FloatArray
    costs: FloatArray
    seconds: FloatArray

    @property
    def mean_cost(self) -> float:
        """Total cost over total seconds of audio."""
        return float(self.costs.sum() / self.seconds.sum())

    def wer(self, scored: ScoredSet) -> float:
        """Word errors over reference words of ``scored``, which was replayed; a fraction."""
        errors = scored.words.errors[self.order, self.picks].sum()
        return float(errors / scored.words.lengths[self.order].sum())


def replay_stream(
    scored: ScoredSet,
    policy: str,
    chooser: ThresholdChooser,
    order: Sequence[int],
    call_size: int = 1,
    costs: FloatArray | None = None,
) -> ReplayedStream:
    """Let ``chooser`` decide a stream of recorded utterances, as it would live.

    Args:
        scored: All exits of all utterances.
        policy: Whose scores are compared with the thresholds.
        chooser: Starts where it stands, and learns.
        order: Rows of ``scored``, any number of times each.
        call_size: Utterances per call.
        costs: ``(U, E)`` of stopping at each exit; default GFLOPs.
    """
    rows = np.asarray(order, dtype=np.int64)
    table = stop_gflops(scored, policy) if costs is None else costs
    scores = scored.scores[policy]
    picks, thresholds = np.empty_like(rows), np.empty(len(rows))
    for first in range(0, len(rows), call_size):
        call = slice(first, first + call_size)
        threshold = chooser.threshold
        thresholds[call] = threshold
        picks[call] = first_exit(scores[rows[call]], threshold)
        chooser.observe(
            [
                Outcome(
                    scores=tuple(scores[row, : pick + 1].tolist()),
                    cost=float(table[row, pick]),
                    seconds=float(scored.seconds[row]),
                )
                for row, pick in zip(rows[call], picks[call], strict=True)
            ]
        )
    return ReplayedStream(rows, picks, thresholds, table[rows, picks], scored.seconds[rows])


class FixedThreshold(ThresholdChooser):
    """Always the same one: what controllers are compared with."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold

    @property
    def threshold(self) -> float:
        """The one."""
        return self._threshold

    def observe(self, outcomes: Sequence[Outcome]) -> None:
        """Learn nothing."""


def stream_order(rows: int, length: int, seed: int) -> IntArray:
    """Return ``length`` rows in random order, each as often as the others, give or take one."""
    rng = np.random.default_rng(seed)
    rounds = [rng.permutation(rows) for _ in range(-(-length // rows))]
    return np.concatenate(rounds)[:length]
