"""A block at half the frame rate beside others (Splitformer, arXiv:2506.18035)."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from torch import Tensor, nn

from espnet_ee.exits import Frames
from espnet_ee.nn.block import Block
from espnet_ee.nn.masks import valid_frames


class Context(Protocol):
    """Positions and padding of the halved batch."""

    @property
    def distances(self) -> Tensor | None:
        """``(2T-1, D)`` or None."""

    @property
    def padding(self) -> Tensor | None:
        """``(B, T)`` bool or None."""


class HalfRateBranch(nn.Module):
    """Pairs of frames are averaged, pass one block, and are repeated; the caller adds the result.

    A last frame without a partner stands alone, so an utterance's result does not depend on the
    padding behind it.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.block = block

    def halve(self, frames: Frames) -> Frames:
        """``(B, T, D)`` to ``(B, ceil(T/2), D)``."""
        hidden = frames.hidden
        batch, length, width = hidden.shape
        real = valid_frames(frames.lengths, length).to(hidden.dtype)  # (B, T)
        hidden = hidden.masked_fill(real[:, :, None] == 0, 0.0)
        if length % 2:
            hidden, real = nn.functional.pad(hidden, (0, 0, 0, 1)), nn.functional.pad(real, (0, 1))
        pairs = hidden.view(batch, -1, 2, width).sum(dim=2)
        counts = real.view(batch, -1, 2).sum(dim=2).clamp(min=1.0)
        lengths = (frames.lengths + 1).div(2, rounding_mode="floor")
        return replace(frames, hidden=pairs / counts[:, :, None], lengths=lengths)

    def forward(self, halved: Frames, context: Context) -> Tensor:
        """``(B, T/2, D)`` after the block."""
        return self.block(halved.hidden, context.distances, context.padding)  # type: ignore[no-any-return]

    @staticmethod
    def stretch(hidden: Tensor, length: int) -> Tensor:
        """``(B, T/2, D)`` to ``(B, T, D)``: each frame twice."""
        return hidden.repeat_interleave(2, dim=1)[:, :length]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` full-rate frames."""
        block = self.block
        assert isinstance(block, Block)
        return block.flops((frames + 1) // 2)
