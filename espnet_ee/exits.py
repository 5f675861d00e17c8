"""One lazy pass through an encoder that yields an exit at a time.

``Frames`` is the batch in flight, ``LayeredEncoder`` what a backbone must offer, ``Walk`` the pass
itself. Between two exits the caller may ``keep`` a subset of the utterances: the rest leaves the
batch, and no later block sees them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
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
        utterances: ``(B,)`` int64 position of each row in the batch that entered the walk.
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
        utterances: ``(B,)`` position in the batch that entered the walk.
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


class Walk:
    """Iterate over exits from shallow to deep; a block runs when an exit above it is asked for.

    Example:
        >>> walk = Walk(encoder, features, lengths)
        >>> for exit in walk:
        ...     walk.keep(~is_good_enough(exit))
    """

    def __init__(self, encoder: LayeredEncoder, features: Tensor, lengths: Tensor) -> None:
        self._encoder = encoder
        self._features, self._lengths = features, lengths
        self._frames: Frames | None = None
        self._context: Any = None

    def __iter__(self) -> Iterator[Exit]:
        encoder = self._encoder
        self._frames = encoder.stem_frames(self._features, self._lengths)
        below = 0
        for index, layer in enumerate(encoder.exit_layers):
            frames = self._run(below + 1, layer)
            below = layer
            yield Exit(
                index=index,
                layer=layer,
                last=layer == encoder.exit_layers[-1],
                hidden=encoder.exit_hidden(frames.hidden),
                lengths=frames.lengths,
                utterances=frames.utterances,
            )
            if not len(self._frames.utterances):
                return

    def keep(self, active: Tensor) -> None:
        """Send only some utterances on.

        Args:
            active: ``(B,)`` bool over the rows of the exit just yielded.
        """
        assert self._frames is not None, "keep() belongs between two exits"
        if not bool(active.all()):
            self._frames = self._frames.select(active)
            self._context = None

    def _run(self, first: int, last: int) -> Frames:
        assert self._frames is not None
        if self._context is None:
            self._context = self._encoder.block_context(self._frames)
        self._frames = self._encoder.run_segment(first, last, self._frames, self._context)
        return self._frames


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
