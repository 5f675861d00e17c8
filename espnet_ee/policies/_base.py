"""What a policy is: an exit's evidence to one score per utterance, higher = surer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_ee.nn.alignment import frame_labels


@dataclass(frozen=True)
class Evidence:
    """What a policy may look at, for the utterances still active.

    Attributes:
        exit_index: Counts exits from 0.
        layer: Counts blocks from 1.
        log_probs: ``(B, T, V)`` CTC log-probabilities, blank first; meaningless on padding. None
            for a policy that declares ``reads_posteriors = False``: the head is then not run.
        lengths: ``(B,)`` real frames, at least 1.
        utterances: ``(B,)`` int64, which utterance each row is: its place among those decoded by
            the call. Rows change between exits, this number does not.
        best: ``(B, T)`` the likeliest labels, of a passed exit; those of this one are ``labels``.
    """

    exit_index: int
    layer: int
    log_probs: Tensor | None
    lengths: Tensor
    utterances: Tensor
    best: Tensor | None = None

    @cached_property
    def labels(self) -> Tensor:
        """``(B, T)`` int64: the likeliest label of each frame, blank (0) on padding."""
        if self.best is not None:
            return self.best
        assert self.log_probs is not None
        return frame_labels(self.log_probs, self.lengths)

    def passed(self) -> Evidence:
        """What is kept when all its utterances go on: labels, not posteriors, V times the size."""
        best = None if self.log_probs is None else self.labels
        return replace(self, log_probs=None, best=best)

    def take(self, rows: Tensor) -> Evidence:
        """The ``rows`` ``(N,)`` int64, copied and cut to the longest of them."""
        lengths = self.lengths[rows]
        longest = int(lengths.max()) if len(rows) else 0

        def cut(frames: Tensor | None) -> Tensor | None:
            return None if frames is None else frames[rows, :longest]

        return replace(
            self,
            log_probs=cut(self.log_probs),
            lengths=lengths,
            utterances=self.utterances[rows],
            best=cut(self.best),
        )

    @staticmethod
    def join(parts: Sequence[Evidence]) -> Evidence:
        """The rows of several batches at the same exit, padded to the longest of them."""

        def padded(batches: Sequence[Tensor | None]) -> Tensor | None:
            rows = [row for batch in batches if batch is not None for row in batch]
            return pad_sequence(rows, batch_first=True) if rows else None

        return replace(
            parts[0],
            log_probs=padded([part.log_probs for part in parts]),
            best=padded([part.best for part in parts]),
            lengths=torch.cat([part.lengths for part in parts]),
            utterances=torch.cat([part.utterances for part in parts]),
        )


@dataclass(frozen=True)
class ExitPolicy(ABC):
    """One exit rule.

    Attributes:
        name: How users and records call it.
        unit: Unit of the score and so of the threshold.
        reads_posteriors: Whether the heads of passed exits must run.
        reads_history: Whether passed exits must be kept for ``score``.
        score_flops_per_posterior: FLOPs of scoring for each element of ``(T, V)``.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    reads_posteriors: ClassVar[bool] = True
    reads_history: ClassVar[bool] = True
    score_flops_per_posterior: ClassVar[int] = 0

    @abstractmethod
    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """Score one exit.

        Args:
            now: This exit.
            history: The exits before it, shallow first, rows matching ``now``, without posteriors;
                may be empty for a policy that declares ``reads_history = False``.

        Returns:
            ``(B,)`` float scores; NaN means unknown and never stops.
        """


def stops(scores: Tensor, threshold: float, last: bool) -> Tensor:
    """Which utterances stop at an exit.

    Args:
        scores: ``(B,)``; NaN never stops.
        threshold: In the policy's unit.
        last: At the last exit all stop.

    Returns:
        ``(B,)`` bool.
    """
    if last:
        return torch.ones_like(scores, dtype=torch.bool)
    # In double precision, as replay compares: float32 would round the threshold up to a score.
    return scores.double() >= threshold
