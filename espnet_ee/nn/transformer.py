"""The Transformer block (arXiv:1706.03762), with ESPnet's options and parameter names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espnet_ee.nn.attention import SelfAttention
from espnet_ee.nn.block import Block
from espnet_ee.nn.feed_forward import FeedForward, layer_norm


class TransformerBlock(Block):
    """Self-attention and feed-forward, each with a residual.

    Args:
        width: ``D``.
        heads: Attention heads.
        units: Of the feed-forward layer.
        dropout_rate: On both branches and inside the feed-forward layer.
        attention_dropout_rate: On attention weights.
        normalize_before: Normalise a branch's input (pre-norm), else its output (post-norm).
        concat_after: Attention's input and output, concatenated, through a linear layer.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        units: int,
        dropout_rate: float,
        attention_dropout_rate: float,
        normalize_before: bool,
        concat_after: bool,
    ) -> None:
        super().__init__()
        self.width = width
        self.normalize_before, self.concat_after = normalize_before, concat_after
        self.self_attn = SelfAttention(width, heads, attention_dropout_rate)
        self.feed_forward = FeedForward(width, units, dropout_rate, nn.ReLU())
        self.norm1 = layer_norm(width)
        self.norm2 = layer_norm(width)
        if concat_after:
            self.concat_linear = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout_rate)

    def forward(self, frames: Tensor, distances: Tensor | None, padding: Tensor | None) -> Tensor:
        """As ``Block.forward``; ``distances`` are not read."""
        normal = self.norm1(frames) if self.normalize_before else frames
        attended = self.self_attn(normal, None, padding)
        if self.concat_after:  # ESPnet applies no dropout on this branch
            frames = frames + self.concat_linear(torch.cat((normal, attended), dim=-1))
        else:
            frames = frames + self.dropout(attended)
        if not self.normalize_before:
            frames = self.norm1(frames)
        normal = self.norm2(frames) if self.normalize_before else frames
        frames = frames + self.dropout(self.feed_forward(normal))
        return frames if self.normalize_before else self.norm2(frames)

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        total = self.self_attn.flops(frames) + self.feed_forward.flops(frames)
        return total + (2 * 2 * frames * self.width**2 if self.concat_after else 0)
