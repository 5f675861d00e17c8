"""What a policy is: an exit's evidence to one score per utterance, higher = surer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_ee.nn.alignment import BestPath, best_path, collapse
from espnet_ee.policies.resources import Resources


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
        hidden: ``(B, T, D)`` what the head reads; of passed exits only for a policy that declares
            ``reads_hidden = True``.
        best: The greedy path, of a passed exit; that of this one is worked out.
    """

    exit_index: int
    layer: int
    log_probs: Tensor | None
    lengths: Tensor
    utterances: Tensor
    hidden: Tensor | None = None
    best: BestPath | None = None

    @cached_property
    def path(self) -> BestPath:
        """The greedy path: the likeliest label of each frame and its log-probability."""
        if self.best is not None:
            return self.best
        assert self.log_probs is not None
        return best_path(self.log_probs, self.lengths)

    @property
    def labels(self) -> Tensor:
        """``(B, T)`` int64: the likeliest label of each frame, blank (0) on padding."""
        return self.path.labels

    @cached_property
    def texts(self) -> list[tuple[int, ...]]:
        """``B`` greedy texts as labels."""
        return collapse(self.labels)

    def passed(self, keep_hidden: bool = False) -> Evidence:
        """What is kept when all its utterances go on: labels, not posteriors, V times the size."""
        best = self.best if self.log_probs is None else self.path
        hidden = self.hidden if keep_hidden else None
        kept = replace(self, log_probs=None, hidden=hidden, best=best)
        if "texts" in vars(self):  # worked out once, by whoever asked first
            vars(kept)["texts"] = self.texts
        return kept

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
            hidden=cut(self.hidden),
            best=self.best and BestPath(*(part[rows, :longest] for part in self.best)),
        )

    @staticmethod
    def join(parts: Sequence[Evidence]) -> Evidence:
        """The rows of several batches at the same exit, padded to the longest of them."""

        def padded(batches: Sequence[Tensor | None]) -> Tensor | None:
            rows = [row for batch in batches if batch is not None for row in batch]
            return pad_sequence(rows, batch_first=True) if rows else None

        labels = padded([part.best and part.best.labels for part in parts])
        peaks = padded([part.best and part.best.log_probs for part in parts])
        return replace(
            parts[0],
            log_probs=padded([part.log_probs for part in parts]),
            hidden=padded([part.hidden for part in parts]),
            best=None if labels is None or peaks is None else BestPath(labels, peaks),
            lengths=torch.cat([part.lengths for part in parts]),
            utterances=torch.cat([part.utterances for part in parts]),
        )


class ExitPolicy(ABC):
    """One exit rule.

    Attributes:
        name: How users and records call it.
        unit: Unit of the score and so of the threshold.
        reads_posteriors: Whether the heads of passed exits must run.
        reads_history: Whether passed exits must be kept for ``score``.
        reads_hidden: Whether they are kept with their hidden states.
        score_flops_per_posterior: FLOPs of scoring for each element of ``(T, V)``.
        score_flops_per_hidden: The same for each element of ``(T, D)``.
        look_back: Tells which of the exits seen speaks; None: the one where an utterance stops.
    """

    name: str
    unit: str
    reads_posteriors: bool = True
    reads_history: bool = True
    reads_hidden: bool = False
    score_flops_per_posterior: int = 0
    score_flops_per_hidden: int = 0
    look_back: ExitPolicy | None = None

    def score_flops(self, vocab_size: int, width: int) -> int:
        """FLOPs of scoring a frame of ``V`` posteriors and ``D`` hidden values."""
        posteriors = self.score_flops_per_posterior * vocab_size
        return posteriors + self.score_flops_per_hidden * width

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

    def parameters(self) -> dict[str, Any]:
        """What its scores depend on besides its name and the model, as JSON knows it."""
        return {}

    def bind(self, resources: Resources) -> ExitPolicy:
        """This policy with what the model at hand has for it; itself if it needs nothing.

        Raises:
            ConfigError: The model lacks what it needs.
        """
        return self


def stops(scores: Tensor, threshold: float, last: bool | Tensor) -> Tensor:
    """Which utterances stop at an exit.

    Args:
        scores: ``(B,)``; NaN never stops.
        threshold: In the policy's unit.
        last: At the last exit all stop; or ``(B,)`` bool, those that may go no deeper.

    Returns:
        ``(B,)`` bool.
    """
    # In double precision, as replay compares: float32 would round the threshold up to a score.
    return (scores.double() >= threshold) | last


def as_scores(values: Sequence[float], now: Evidence) -> Tensor:
    """``(B,)`` scores of plain numbers."""
    return torch.tensor(values, dtype=torch.float32, device=now.lengths.device)
