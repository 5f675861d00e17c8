"""What each exit of a model needs: parameters, operations and, where measured, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet_ee.cost import UtteranceCost
from espnet_ee.measured import MeasuredLatency


@dataclass(frozen=True)
class ExitOperations:
    """Operations of some audio up to each exit; ``E`` exits.

    Attributes:
        audio: What was counted, e.g. ``10 s`` or the name of a list of audio files.
        utterances: Number of them.
        audio_sec: Of all of them together.
        floor_gflops: Of all of them before block 1.
        gflops: ``E`` values of all of them: stopped at one exit each, which runs its own head
            alone; as ``fixed exits`` of records.
        scored_gflops: ``E`` values: as well, with every exit on the way run and scored by the
            costliest policy.
        measured: Times of the same audio, if there are any.
    """

    audio: str
    utterances: int
    audio_sec: float
    floor_gflops: float
    gflops: tuple[float, ...]
    scored_gflops: tuple[float, ...]
    measured: MeasuredLatency | None = None

    @property
    def per_sec(self) -> tuple[float, ...]:
        """``E`` GFLOPs per second of audio, of ``gflops``."""
        return tuple(value / self.audio_sec for value in self.gflops)

    @property
    def shares(self) -> tuple[float, ...]:
        """``E`` shares of what the last exit costs."""
        return tuple(value / self.gflops[-1] for value in self.gflops)


@dataclass(frozen=True)
class ExitCosts:
    """A model's exits.

    Attributes:
        model: Its name for readers.
        layers: ``E`` blocks with an exit, from 1.
        parameters: ``E`` numbers: everything below an exit and its own head.
        num_parameters: Of the whole model, training's own and attention decoders included.
        from_features: Costs are counted from features, not from the waveform.
        operations: Of one audio after the other.
    """

    model: str
    layers: tuple[int, ...]
    parameters: tuple[int, ...]
    num_parameters: int
    from_features: bool
    operations: tuple[ExitOperations, ...]


def add_up(
    audio: str, audio_sec: Sequence[float], costs: Sequence[UtteranceCost]
) -> ExitOperations:
    """The operations of ``U`` utterances together.

    Args:
        audio: Their name.
        audio_sec: ``U`` lengths.
        costs: ``U``, of one model.
    """
    exits = range(len(costs[0].body_gflops))
    fixed = [[cost.body_gflops[k] + cost.head_gflops[k] for k in exits] for cost in costs]
    scored = [[cost.until(k, reads_posteriors=True) for k in exits] for cost in costs]
    return ExitOperations(
        audio=audio,
        utterances=len(costs),
        audio_sec=float(np.sum(audio_sec)),
        floor_gflops=float(np.sum([cost.floor_gflops for cost in costs])),
        gflops=tuple(np.sum(fixed, axis=0).tolist()),
        scored_gflops=tuple(np.sum(scored, axis=0).tolist()),
    )
