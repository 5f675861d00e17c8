"""What an encoder with exits is: ``Frames`` between blocks, an ``Exit``, a ``LayeredEncoder``.

``espnet_ee/walk.py`` passes through one exit by exit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from espnet_ee.errors import ConfigError


@dataclass(frozen=True)
class Frames:
    """A padded batch between two blocks.

    Attributes:
        hidden: ``(B, T, D)``.
        lengths: ``(B,)`` real frames of each utterance.
        utterances: ``(B,)`` int64, which utterance each row is: its place in the walk's input.
    """

    hidden: Tensor
    lengths: Tensor
    utterances: Tensor

    def select(self, keep: Tensor) -> Frames:
        """The rows where ``keep`` ``(B,)`` is true, cut to the longest of them."""
        rows = keep.nonzero().squeeze(1)
        lengths = self.lengths[rows]
        longest = int(lengths.max()) if len(rows) else 0
        return Frames(self.hidden[rows, :longest], lengths, self.utterances[rows])


@dataclass(frozen=True)
class Exit:
    """Hidden states of one exit, for the utterances that are still active.

    Attributes:
        index: Counts exits from 0.
        layer: Counts blocks from 1.
        last: True at the deepest exit, where every utterance stops.
        hidden: ``(B, T, D)``, normalised, what a head reads.
        lengths: ``(B,)`` real frames.
        utterances: ``(B,)`` int64, which utterance each row is: its place in the walk's input.
    """

    index: int
    layer: int
    last: bool
    hidden: Tensor
    lengths: Tensor
    utterances: Tensor


class LayeredEncoder(ABC):
    """What a backbone offers to a walk; ``context`` is what its blocks share at one batch shape."""

    exit_layers: tuple[int, ...]

    @abstractmethod
    def stem_frames(self, features: Tensor, lengths: Tensor) -> Frames:
        """Everything before block 1: ``(B, T, F)`` and ``(B,)`` to frames."""

    @abstractmethod
    def block_context(self, frames: Frames) -> Any:
        """Masks and positions for the shape of ``frames``; made anew when the batch changes."""

    @abstractmethod
    def run_block(self, layer: int, frames: Frames, context: Any) -> Tensor:
        """``(B, T, D)`` after block ``layer``, counted from 1."""

    def run_segment(self, first: int, last: int, frames: Frames, context: Any) -> Frames:
        """The blocks ``first..last``: from behind one exit to the next; ``last`` is an exit."""
        for layer in range(first, last + 1):
            frames = replace(frames, hidden=self.run_block(layer, frames, context))
        return frames

    @abstractmethod
    def exit_hidden(self, hidden: Tensor) -> Tensor:
        """``(B, T, D)`` block output to what heads read: the final normalisation."""

    @abstractmethod
    def stem_flops(self, feature_frames: int) -> int:
        """FLOPs of the stem for one utterance."""

    @abstractmethod
    def block_flops(self, layer: int, frames: int) -> int:
        """FLOPs of one block for one utterance of ``frames`` frames behind the stem."""

    def segment_flops(self, first: int, last: int, frames: int) -> int:
        """FLOPs of ``run_segment`` for one utterance."""
        return sum(self.block_flops(layer, frames) for layer in range(first, last + 1))

    @abstractmethod
    def frames_of(self, feature_frames: int) -> int:
        """Frames behind the stem."""

    @property
    @abstractmethod
    def frame_shift(self) -> int:
        """Feature frames from one frame behind the stem to the next."""


def check_exit_layers(exit_layers: Sequence[int], num_blocks: int) -> tuple[int, ...]:
    """Exit layers with the last block added.

    Raises:
        ConfigError: The layers are not increasing or lie outside ``1..num_blocks``.
    """
    whole = isinstance(exit_layers, list | tuple) and all(type(n) is int for n in exit_layers)
    layers = tuple(exit_layers) if whole else ()
    outside = [layer for layer in layers if not 1 <= layer <= num_blocks]
    increasing = all(low < high for low, high in zip(layers, layers[1:], strict=False))
    if outside or not increasing or not whole:
        problem = f"{outside} outside 1..{num_blocks}" if outside else "not increasing"
        problem = problem if whole else "not a list of whole numbers"
        raise ConfigError(
            f"encoder_conf.exit_layers is {problem}.",
            got=f"exit_layers={list(layers) if whole else exit_layers!r}, num_blocks={num_blocks}",
            want=f"increasing 1-based block numbers, e.g. {_example(num_blocks)}",
            fix="--encoder_conf exit_layers=" + f"{_example(num_blocks)}".replace(" ", ""),
        )
    return layers if layers and layers[-1] == num_blocks else (*layers, num_blocks)


def _example(num_blocks: int) -> list[int]:
    third = max(1, num_blocks // 3)
    return sorted({third, min(2 * third, num_blocks), num_blocks})


def batch_positions(like: Tensor) -> Tensor:
    """``(B,)`` 0, 1, 2, ... on the device of ``like`` ``(B, ...)``."""
    return torch.arange(len(like), device=like.device)
