"""One lazy pass through an encoder that yields an exit at a time.

Between two exits the caller may ``keep`` a subset of the utterances: the rest leaves its batch, and
no later block sees them. What is left of several batches goes on in fewer, fuller ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_ee.batching import length_sorted_batches
from espnet_ee.exits import Exit, Frames, LayeredEncoder

Batch = tuple[Tensor, Tensor]  # (B, T, F) features and (B,) real feature frames


class Walk:
    """Iterate over exits from shallow to deep; a block runs when an exit above it is asked for.

    Each exit comes once for every batch that reaches it.

    Example:
        >>> walk = Walk(encoder, [(features, lengths)])
        >>> for exit in walk:
        ...     walk.keep(~is_good_enough(exit))

    Args:
        encoder: Stem and blocks.
        batches: Read once, one at a time.
    """

    def __init__(self, encoder: LayeredEncoder, batches: Iterable[Batch]) -> None:
        self._encoder, self._batches = encoder, batches
        self._now: _Moving | None = None

    def __iter__(self) -> Iterator[Exit]:
        moving: Iterable[_Moving] = self._stems()
        below, limits = 0, _Limits()
        for index, layer in enumerate(self._encoder.exit_layers):
            left: list[_Moving] = []
            for self._now in moving:
                self._run(self._now, below + 1, layer)
                limits.include(self._now.frames)
                yield self._exit(index, layer)
                if len(self._now.frames.utterances):
                    left.append(self._now)
            if not left:
                return
            moving, below = _fewer(left, limits), layer

    def keep(self, active: Tensor) -> None:
        """Send only some utterances on.

        Args:
            active: ``(B,)`` bool over the rows of the exit just yielded.
        """
        assert self._now is not None, "keep() belongs between two exits"
        if not bool(active.all()):
            self._now.frames = self._now.frames.select(active)
            self._now.context = None

    def _stems(self) -> Iterator[_Moving]:
        first = 0
        for features, lengths in self._batches:
            frames = self._encoder.stem_frames(features, lengths)
            yield _Moving(replace(frames, utterances=frames.utterances + first))
            first += len(lengths)

    def _run(self, moving: _Moving, first: int, last: int) -> None:
        if moving.context is None:
            moving.context = self._encoder.block_context(moving.frames)
        moving.frames = self._encoder.run_segment(first, last, moving.frames, moving.context)

    def _exit(self, index: int, layer: int) -> Exit:
        assert self._now is not None
        frames = self._now.frames
        return Exit(
            index=index,
            layer=layer,
            last=layer == self._encoder.exit_layers[-1],
            hidden=self._encoder.exit_hidden(frames.hidden),
            lengths=frames.lengths,
            utterances=frames.utterances,
        )


@dataclass
class _Moving:
    """A batch on its way and what its blocks share; None: made when the next block runs."""

    frames: Frames
    context: Any = None


@dataclass
class _Limits:
    """The largest batch that entered: none is made larger on the way."""

    rows: int = 0
    padded: int = 0  # rows times frames

    def include(self, frames: Frames) -> None:
        rows, length = frames.hidden.shape[:2]
        self.rows, self.padded = max(self.rows, rows), max(self.padded, rows * length)


def _fewer(left: Sequence[_Moving], limits: _Limits) -> Sequence[_Moving]:
    """The same utterances in fewer batches, where that is possible: full ones compute quicker."""
    if len(left) == 1:
        return left
    lengths = torch.cat([moving.frames.lengths for moving in left])
    utterances = torch.cat([moving.frames.utterances for moving in left])
    groups = length_sorted_batches(lengths.tolist(), limits.rows, limits.padded)
    if len(groups) >= len(left):
        return left
    rows = [row for moving in left for row in moving.frames.hidden]
    real = [row[:frames] for row, frames in zip(rows, lengths.tolist(), strict=True)]
    return [
        _Moving(
            Frames(
                pad_sequence([real[place] for place in group], batch_first=True),
                lengths[group],
                utterances[group],
            )
        )
        for group in groups
    ]
