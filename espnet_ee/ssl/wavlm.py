"""WavLM's attention in memory linear in the length, over torchaudio's parameters.

Importing this module imports torchaudio.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchaudio.models.wav2vec2.wavlm_attention import WavLMSelfAttention

from espnet_ee.nn.attention import query_chunks
from espnet_ee.nn.packed import Packable, PackedLinear


class ChunkedWavLMAttention(WavLMSelfAttention, Packable):  # type: ignore[misc]
    """Self-attention with a gated bias by relative position (arXiv:2110.13900, section 3.1).

    torchaudio keeps that bias as ``(B, H, T, T)``: 40 GB for ten minutes of speech. Here it is a
    vector by distance, spread over the keys for one chunk of queries at a time.
    """

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self._packed: PackedLinear | None = None

    def bias_by_distance(self, frames: int) -> Tensor:
        """``(H, 2T-1)`` for the distances ``-(T-1) .. T-1`` from query to key; first block only."""
        before = self.compute_bias(frames, 1)[:, :, 0].flip(1)  # -(T-1) .. 0
        behind = self.compute_bias(1, frames)[:, 0, 1:]  # 1 .. T-1
        return torch.cat((before, behind), dim=1)

    def forward(
        self,
        query: Tensor,
        key_padding_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend over real frames.

        Args:
            query: ``(B, T, D)``.
            key_padding_mask: ``(B, T)`` bool, true on padding, or None without padding.
            attention_mask: Part of torchaudio's interface; None.
            position_bias: ``(H, 2T-1)``, see ``bias_by_distance``.

        Returns:
            ``(B, T, D)``, and the bias for the next block.
        """
        assert position_bias is not None and attention_mask is None
        gate = self._gate(query)
        queries, keys, values = map(self._split_heads, self._project(query).chunk(3, dim=-1))
        dropout = self.dropout if self.training else 0.0
        mixed = []
        for start, end in query_chunks(query.shape[1]):
            mask = gate[:, :, start:end] * by_key(position_bias, start, end)  # (B, H, n, T)
            if key_padding_mask is not None:
                mask = mask.masked_fill(key_padding_mask[:, None, None, :], -torch.inf)
            mixed.append(
                functional.scaled_dot_product_attention(
                    queries[:, :, start:end], keys, values, mask.to(queries.dtype), dropout
                )
            )
        joined = (torch.cat(mixed, dim=2) if len(mixed) > 1 else mixed[0]).transpose(1, 2)
        return self.attention.out_proj(joined.flatten(2)), position_bias

    def pack(self) -> None:
        """See ``Packable``: torchaudio keeps the projections as bare parameters."""
        inner = self.attention
        self._packed = PackedLinear(inner.in_proj_weight, inner.in_proj_bias)
        inner.out_proj = PackedLinear(inner.out_proj.weight, inner.out_proj.bias)

    def _project(self, query: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, 3 D)``: queries, keys and values."""
        if self._packed is not None:
            return self._packed(query)  # type: ignore[no-any-return]
        inner = self.attention
        return functional.linear(query, inner.in_proj_weight, inner.in_proj_bias)

    def _split_heads(self, frames: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, H, T, D/H)``."""
        return frames.view(*frames.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)

    def _gate(self, query: Tensor) -> Tensor:
        """``(B, H, T, 1)`` factors of the bias, formula 6 of the paper."""
        gates: Tensor = self.gru_rel_pos_linear(self._split_heads(query))
        gates = gates.view(*gates.shape[:3], 2, -1).sum(-1)  # (B, H, T, 2)
        update, reset = gates.sigmoid().chunk(2, dim=-1)
        out: Tensor = update * (reset * self.gru_rel_pos_const - 1.0) + 2.0
        return out


def by_key(by_distance: Tensor, start: int, end: int) -> Tensor:
    """``(H, 2T-1)`` by distance to ``(H, n, T)``: queries ``start..end-1`` by keys."""
    frames = (by_distance.shape[1] + 1) // 2
    # The window that starts at w holds the distances w-(T-1) .. w: that of query T-1-w.
    windows = by_distance.unfold(1, frames, 1)
    return windows[:, frames - end : frames - start].flip(1)


def chunk_attention(model: Any) -> None:
    """Replace the attention of each block of torchaudio's WavLM, in place; weights are new."""
    for block in model.encoder.transformer.layers:
        old = block.attention
        new: nn.Module = ChunkedWavLMAttention(
            old.embed_dim,
            old.num_heads,
            old.dropout,
            has_relative_attention_bias=old.has_relative_attention_bias,
            num_buckets=old.num_buckets,
            max_distance=old.max_distance,
        )
        block.attention = new
