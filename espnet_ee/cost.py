"""GFLOPs of one utterance up to each exit, counted from the waveform (1 MAC = 2 FLOPs).

Counted: front-end, stem, blocks, heads and scoring. Not counted: element-wise work (activations,
normalisations, residuals), as in ``torch.utils.flop_counter``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # replay, which needs no torch, reads this module too
    from espnet_ee.exits import LayeredEncoder

GIGA = 1e9


@dataclass(frozen=True)
class LogMelFrontend:
    """A log-mel front-end's sizes, in samples, bins and Hz."""

    n_fft: int
    hop_length: int
    n_mels: int

    def flops(self, frames: int) -> int:
        """Real FFT (customarily ``2.5 N log2 N``), power and mel product of each frame."""
        bins = self.n_fft // 2 + 1
        transform = 2.5 * self.n_fft * math.log2(self.n_fft)
        return int(frames * (transform + 3 * bins + 2 * bins * self.n_mels))


@dataclass(frozen=True)
class UtteranceCost:
    """Cost of one utterance.

    Attributes:
        floor_gflops: Front-end and stem: paid whatever the exit.
        body_gflops: ``E`` values: floor and all blocks up to each exit.
        head_gflops: ``E`` values: each exit's own head, alone.
        score_gflops: Scoring the posteriors of one exit.
    """

    floor_gflops: float
    body_gflops: tuple[float, ...]
    head_gflops: tuple[float, ...]
    score_gflops: float

    def until(self, exit_index: int, reads_posteriors: bool) -> float:
        """GFLOPs of an utterance that stops at ``exit_index``.

        Every exit on the way is scored; a policy that reads posteriors runs its head too, any
        other runs only the last head.
        """
        body, reached = self.body_gflops[exit_index], self.head_gflops[: exit_index + 1]
        # Added from shallow to deep, as replay does: both give the same last bit.
        if reads_posteriors:
            *_, judged = accumulate(head + self.score_gflops for head in reached)
            return body + judged
        *_, judged = accumulate(self.score_gflops for _ in reached)
        return body + judged + reached[-1]


@dataclass(frozen=True)
class CostModel:
    """Counts what one model does.

    Attributes:
        encoder: Stem and blocks.
        head_flops: ``(layer, frames) -> FLOPs``.
        score_flops_per_frame: Of the one policy that is charged.
        frontend: None for models that read features.
    """

    encoder: LayeredEncoder
    head_flops: Callable[[int, int], int]
    score_flops_per_frame: int
    frontend: LogMelFrontend | None

    def utterance(self, feature_frames: int) -> UtteranceCost:
        """Cost of an utterance of ``feature_frames`` feature frames."""
        encoder = self.encoder
        frames = encoder.frames_of(feature_frames)
        floor = encoder.stem_flops(feature_frames)
        if self.frontend is not None:
            floor += self.frontend.flops(feature_frames)
        running, done, body = floor, 0, []
        for layer in encoder.exit_layers:
            running += encoder.segment_flops(done + 1, layer, frames)
            done = layer
            body.append(running / GIGA)
        scoring = self.score_flops_per_frame * frames
        heads = tuple(self.head_flops(layer, frames) / GIGA for layer in encoder.exit_layers)
        return UtteranceCost(floor / GIGA, tuple(body), heads, scoring / GIGA)


def costliest_score_flops(per_frame: Iterable[int]) -> int:
    """The largest FLOPs per frame, 0 of none: a run that stops scores by one policy only."""
    return max(per_frame, default=0)
