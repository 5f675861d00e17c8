"""Sinusoidal positions: absolute (arXiv:1706.03762) and relative (arXiv:1901.02860)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """Interleaved sines and cosines.

    Args:
        positions: ``(P,)`` float positions, negative ones allowed.
        width: ``D``, even.

    Returns:
        ``(P, D)``.
    """
    inverse_period = torch.exp(
        torch.arange(0, width, 2, dtype=torch.float32, device=positions.device)
        * -(math.log(10000.0) / width)
    )
    angles = positions[:, None] * inverse_period
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class Positions(nn.Module):
    """Scales the stem's output and supplies position embeddings; holds no parameters.

    The table grows on demand, so an utterance may have any length.

    Args:
        width: ``D``.
        relative: True for embeddings of distances ``T-1 .. -(T-1)``; False adds absolute ones.
        dropout_rate: Applied to scaled frames and to the embeddings.
    """

    def __init__(self, width: int, relative: bool, dropout_rate: float) -> None:
        super().__init__()
        self.width, self.relative = width, relative
        self.scale = math.sqrt(width)
        self.dropout = nn.Dropout(dropout_rate)
        self._table: Tensor | None = None

    def forward(self, frames: Tensor) -> Tensor:
        """``(B, T, D)`` stem output to block input."""
        scaled = frames * self.scale
        if not self.relative:
            scaled = scaled + self._lookup(frames.shape[1], frames)
        out: Tensor = self.dropout(scaled)
        return out

    def distances(self, frames: Tensor) -> Tensor | None:
        """``(2T-1, D)``: distances ``T-1 .. -(T-1)``; None for absolute positions."""
        if not self.relative:
            return None
        embeddings: Tensor = self.dropout(self._lookup(frames.shape[1], frames))
        return embeddings

    def _lookup(self, num_frames: int, like: Tensor) -> Tensor:
        table = self._table
        rows = 2 * num_frames - 1 if self.relative else num_frames
        if table is None or len(table) < rows or table.device != like.device:
            # Room to grow: doubling keeps a long-audio run from rebuilding the table per batch.
            reach = 2 * max(num_frames, 512)
            first, last = (reach - 1, -reach) if self.relative else (0, reach)
            step = -1 if self.relative else 1
            with torch.inference_mode(False):  # a table made while decoding must serve training too
                span = torch.arange(first, last, step, dtype=torch.float32, device=like.device)
                table = self._table = sinusoids(span, self.width)
        if not self.relative:
            return table[:num_frames].to(like.dtype)
        centre = len(table) // 2
        return table[centre - num_frames + 1 : centre + num_frames].to(like.dtype)
