"""The E-Branchformer block (arXiv:2210.00077), with ESPnet's options and parameter names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_ee.nn.attention import RelativeSelfAttention, SelfAttention
from espnet_ee.nn.block import Block
from espnet_ee.nn.convolution import DepthwiseConv
from espnet_ee.nn.feed_forward import ACTIVATIONS, FeedForward, layer_norm


@dataclass(frozen=True)
class EBranchformerOptions:
    """What one block is made of; the names are ESPnet's ``encoder_conf`` keys."""

    output_size: int
    attention_heads: int
    cgmlp_linear_units: int
    cgmlp_conv_kernel: int
    use_linear_after_conv: bool
    gate_activation: str
    dropout_rate: float
    attention_dropout_rate: float
    use_ffn: bool
    macaron_ffn: bool
    ffn_activation_type: str
    linear_units: int
    merge_conv_kernel: int
    relative_positions: bool


class SpatialGate(nn.Module):
    """One half of the channels, convolved over time, gates the other half (arXiv:2105.08050)."""

    def __init__(self, options: EBranchformerOptions) -> None:
        super().__init__()
        channels = options.cgmlp_linear_units // 2
        self.norm = layer_norm(channels)
        self.conv = DepthwiseConv(channels, options.cgmlp_conv_kernel)
        self.linear = nn.Linear(channels, channels) if options.use_linear_after_conv else None
        gate = options.gate_activation
        self.act = nn.Identity() if gate == "identity" else ACTIVATIONS[gate]()
        self.dropout = nn.Dropout(options.dropout_rate)
        self.espnet_initialization_fn()

    def espnet_initialization_fn(self) -> None:
        """Start as the identity gate; ESPnet calls this after its own ``--init`` schemes."""
        for layer in (self.conv, self.linear):
            if layer is not None:
                nn.init.normal_(layer.weight, std=1e-6)
                nn.init.ones_(layer.bias)  # type: ignore[arg-type]

    def forward(self, frames: Tensor, padding: Tensor | None) -> Tensor:
        """``(B, T, U)`` to ``(B, T, U/2)``; padding is zeroed before the convolution."""
        content, gate = frames.chunk(2, dim=-1)
        gate = self.norm(gate)
        if padding is not None:
            gate = gate.masked_fill(padding[:, :, None], 0.0)
        gate = self.conv(gate)
        if self.linear is not None:
            gate = self.linear(gate)
        return self.dropout(content * self.act(gate))  # type: ignore[no-any-return]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        channels = self.conv.in_channels
        linear = channels**2 if self.linear is not None else 0
        return 2 * frames * (channels * self.conv.kernel_size[0] + linear)


class ConvolutionalGatingMLP(nn.Module):
    """Widen, gate, narrow: the local branch."""

    def __init__(self, options: EBranchformerOptions) -> None:
        super().__init__()
        width, units = options.output_size, options.cgmlp_linear_units
        self.channel_proj1 = nn.Sequential(nn.Linear(width, units), nn.GELU())
        self.csgu = SpatialGate(options)
        self.channel_proj2 = nn.Linear(units // 2, width)
        self.width, self.units = width, units

    def forward(self, frames: Tensor, padding: Tensor | None) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``."""
        return self.channel_proj2(self.csgu(self.channel_proj1(frames), padding))  # type: ignore[no-any-return]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        return 2 * frames * self.width * (self.units + self.units // 2) + self.csgu.flops(frames)


class EBranchformerBlock(Block):
    """Attention beside a gated MLP, merged by a depthwise convolution, between feed-forwards."""

    def __init__(self, options: EBranchformerOptions) -> None:
        super().__init__()
        width = options.output_size
        attention = RelativeSelfAttention if options.relative_positions else SelfAttention
        self.attn = attention(width, options.attention_heads, options.attention_dropout_rate)
        self.cgmlp = ConvolutionalGatingMLP(options)
        self.feed_forward = self._feed_forward(options) if options.use_ffn else None
        macaron = options.use_ffn and options.macaron_ffn
        self.feed_forward_macaron = self._feed_forward(options) if macaron else None
        self.ff_scale = 0.5 if macaron else 1.0
        if self.feed_forward is not None:
            self.norm_ff = layer_norm(width)
        if self.feed_forward_macaron is not None:
            self.norm_ff_macaron = layer_norm(width)
        self.norm_mha = layer_norm(width)
        self.norm_mlp = layer_norm(width)
        self.norm_final = layer_norm(width)
        self.dropout = nn.Dropout(options.dropout_rate)
        self.depthwise_conv_fusion = DepthwiseConv(2 * width, options.merge_conv_kernel)
        self.merge_proj = nn.Linear(2 * width, width)

    def forward(self, frames: Tensor, distances: Tensor | None, padding: Tensor | None) -> Tensor:
        """As ``Block.forward``."""
        if self.feed_forward_macaron is not None:
            update = self.feed_forward_macaron(self.norm_ff_macaron(frames))
            frames = frames.add(self.dropout(update), alpha=self.ff_scale)
        attended = self.dropout(self.attn(self.norm_mha(frames), distances, padding))
        local = self.dropout(self.cgmlp(self.norm_mlp(frames), padding))
        frames = frames + self.dropout(self._merge(attended, local, padding))
        if self.feed_forward is not None:
            update = self.feed_forward(self.norm_ff(frames))
            frames = frames.add(self.dropout(update), alpha=self.ff_scale)
        return self.norm_final(frames)  # type: ignore[no-any-return]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        double, width = self.merge_proj.in_features, self.merge_proj.out_features
        total = self.attn.flops(frames) + self.cgmlp.flops(frames)
        total += 2 * frames * double * (self.depthwise_conv_fusion.kernel_size[0] + width)
        for layer in (self.feed_forward, self.feed_forward_macaron):
            total += layer.flops(frames) if layer is not None else 0
        return total

    def _merge(self, attended: Tensor, local: Tensor, padding: Tensor | None) -> Tensor:
        both = torch.cat((attended, local), dim=-1)
        if padding is not None:
            both = both.masked_fill(padding[:, :, None], 0.0)
        return self.merge_proj(both + self.depthwise_conv_fusion(both))  # type: ignore[no-any-return]

    @staticmethod
    def _feed_forward(options: EBranchformerOptions) -> FeedForward:
        activation = ACTIVATIONS[options.ffn_activation_type]()
        return FeedForward(
            options.output_size, options.linear_units, options.dropout_rate, activation
        )
