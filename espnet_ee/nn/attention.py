"""Self-attention through ``scaled_dot_product_attention``: one score matrix at most, never several."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class SelfAttention(nn.Module):
    """Multi-head self-attention without position terms.

    Args:
        width: ``D``, a multiple of ``heads``.
        heads: ``H``.
        dropout_rate: On attention weights, training only.
    """

    def __init__(self, width: int, heads: int, dropout_rate: float) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.dropout_rate = dropout_rate
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)

    def forward(self, frames: Tensor, distances: Tensor | None, padding: Tensor | None) -> Tensor:
        """Attend over real frames.

        Args:
            frames: ``(B, T, D)``.
            distances: Ignored here; ``(2T-1, D)`` in the relative variant.
            padding: ``(B, T)`` bool, true on padding, or None without padding.

        Returns:
            ``(B, T, D)``.
        """
        query, key, value = self._project(frames)
        mask = None if padding is None else ~padding[:, None, None, :]
        return self._attend(query, key, value, mask)

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        width = self.heads * self.head_width
        return 2 * (4 * frames * width * width + 2 * frames * frames * width)

    def _project(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        shape = (*frames.shape[:2], self.heads, self.head_width)
        query = self.linear_q(frames).view(shape).transpose(1, 2)  # (B, H, T, D/H)
        key = self.linear_k(frames).view(shape).transpose(1, 2)
        value = self.linear_v(frames).view(shape).transpose(1, 2)
        return query, key, value

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout_rate if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, mask, dropout)
        return self.linear_out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class RelativeSelfAttention(SelfAttention):
    """Self-attention with Transformer-XL relative positions, ESPnet's ``rel_selfattn`` of type ``latest``.

    Terms (a) + (c) of arXiv:1901.02860 section 3.3 are the fused attention's own product; terms (b) + (d)
    enter as its additive mask, so only that one ``(B, H, T, T)`` matrix is ever held.
    """

    def __init__(self, width: int, heads: int, dropout_rate: float) -> None:
        super().__init__(width, heads, dropout_rate)
        self.linear_pos = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(heads, self.head_width))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, self.head_width))
        nn.init.xavier_uniform_(self.pos_bias_u)
        nn.init.xavier_uniform_(self.pos_bias_v)

    def forward(self, frames: Tensor, distances: Tensor | None, padding: Tensor | None) -> Tensor:
        """As the base class, with ``distances`` ``(2T-1, D)`` required."""
        assert distances is not None
        query, key, value = self._project(frames)
        position = self.linear_pos(distances).view(-1, self.heads, self.head_width)
        position = position.permute(1, 2, 0)  # (H, D/H, 2T-1)
        scale = 1.0 / math.sqrt(self.head_width)
        by_distance = ((query + self.pos_bias_v[:, None]) * scale) @ position  # (B, H, T, 2T-1)
        bias = shift_to_keys(by_distance)  # (B, H, T, T)
        if padding is not None:
            bias = bias.masked_fill(padding[:, None, None, :], -torch.inf)
        return self._attend(query + self.pos_bias_u[:, None], key, value, bias)

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        width = self.heads * self.head_width
        distances = 2 * frames - 1
        positional = distances * width * width + frames * distances * width
        return super().flops(frames) + 2 * positional


def shift_to_keys(by_distance: Tensor) -> Tensor:
    """Turn scores by distance into scores by key, without a copy.

    Row ``t`` of the input holds the distances ``T-1 .. -(T-1)``; key ``s`` is at distance ``t - s``, that is
    column ``T-1-t+s``. The element at ``(t, s)`` therefore lies ``t * (2T-2) + T-1 + s`` behind the start
    of its matrix: a strided view.

    Args:
        by_distance: ``(B, H, T, 2T-1)``.

    Returns:
        ``(B, H, T, T)`` view.
    """
    batch, heads, frames, columns = by_distance.shape
    by_distance = by_distance.contiguous()
    matrix = frames * columns
    return by_distance.as_strided(
        (batch, heads, frames, frames),
        (heads * matrix, matrix, columns - 1, 1),
        by_distance.storage_offset() + frames - 1,
    )
