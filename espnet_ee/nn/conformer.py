"""The Conformer block (Gulati et al. 2020), with ESPnet's options and parameter names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_ee.nn.attention import RelativeSelfAttention, SelfAttention
from espnet_ee.nn.block import Block
from espnet_ee.nn.convolution import ConvolutionModule
from espnet_ee.nn.feed_forward import ACTIVATIONS, FeedForward, layer_norm
from espnet_ee.nn.packed import Packable

# A branch of ``(B, T, D)``; the second argument as in ``project``.
Branch = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class BlockOptions:
    """What one Conformer block is made of; the names are ESPnet's ``encoder_conf`` keys."""

    output_size: int = 256
    attention_heads: int = 4
    linear_units: int = 2048
    dropout_rate: float = 0.1
    attention_dropout_rate: float = 0.0
    normalize_before: bool = True
    concat_after: bool = False
    macaron_style: bool = False
    activation_type: str = "swish"
    use_cnn_module: bool = True
    cnn_module_kernel: int = 31
    relative_positions: bool = True
    stochastic_depth_rate: float = 0.0


class ConformerBlock(Block, Packable):
    """Half feed-forward, self-attention, convolution, half feed-forward, each with a residual."""

    def __init__(self, options: BlockOptions) -> None:
        super().__init__()
        self.options = options
        width, dropout = options.output_size, options.dropout_rate
        attention = RelativeSelfAttention if options.relative_positions else SelfAttention
        self.self_attn = attention(width, options.attention_heads, options.attention_dropout_rate)
        self.feed_forward = self._feed_forward()
        self.feed_forward_macaron = self._feed_forward() if options.macaron_style else None
        self.conv_module = None
        self.norm_ff = layer_norm(width)
        self.norm_mha = layer_norm(width)
        if options.macaron_style:
            self.norm_ff_macaron = layer_norm(width)
        if options.use_cnn_module:
            activation = ACTIVATIONS[options.activation_type]()
            self.conv_module = ConvolutionModule(width, options.cnn_module_kernel, activation)
            self.norm_conv = layer_norm(width)
            self.norm_final = layer_norm(width)
        if options.concat_after:
            self.concat_linear = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self._adds_in_products = False

    def pack(self) -> None:
        """See ``Packable``: the last product of each branch adds to what goes past it."""
        if self.options.normalize_before and not self.options.concat_after:
            self.feed_forward.pack_to_add(self._half)
            if self.feed_forward_macaron is not None:
                self.feed_forward_macaron.pack_to_add(self._half)
            self._adds_in_products = True

    def forward(self, frames: Tensor, distances: Tensor | None, padding: Tensor | None) -> Tensor:
        """As ``Block.forward``."""
        rate = self.options.stochastic_depth_rate if self.training else 0.0
        if rate > 0.0 and torch.rand(1).item() < rate:
            return frames
        keep_scale = 1.0 / (1.0 - rate)  # keeps the expected residual of a skipped block

        if self.feed_forward_macaron is not None:
            frames = self._residual(
                frames, self.norm_ff_macaron, self.feed_forward_macaron, self._half * keep_scale
            )
        frames = self._attention(frames, distances, padding, keep_scale)
        if self.conv_module is not None:
            module = self.conv_module
            frames = self._residual(
                frames,
                self.norm_conv,
                lambda normal, onto: module(normal, padding, onto),
                keep_scale,
            )
        frames = self._residual(frames, self.norm_ff, self.feed_forward, self._half * keep_scale)
        return self.norm_final(frames) if self.conv_module is not None else frames

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        total = self.self_attn.flops(frames) + self.feed_forward.flops(frames)
        if self.feed_forward_macaron is not None:
            total += self.feed_forward_macaron.flops(frames)
        if self.conv_module is not None:
            total += self.conv_module.flops(frames)
        if self.options.concat_after:
            total += 2 * 2 * frames * self.options.output_size**2
        return total

    @property
    def _half(self) -> float:
        """The weight of each of two feed-forward layers; of a single one, 1."""
        return 0.5 if self.feed_forward_macaron is not None else 1.0

    def _feed_forward(self) -> FeedForward:
        options = self.options
        activation = ACTIVATIONS[options.activation_type]()
        return FeedForward(
            options.output_size, options.linear_units, options.dropout_rate, activation
        )

    def _residual(self, frames: Tensor, norm: nn.Module, branch: Branch, scale: float) -> Tensor:
        if self._adds_in_products:
            return branch(norm(frames), frames)
        if self.options.normalize_before:
            update = self.dropout(branch(norm(frames), None))
            return frames.add(update, alpha=scale)
        out: Tensor = norm(frames.add(self.dropout(branch(frames, None)), alpha=scale))
        return out

    def _attention(
        self, frames: Tensor, distances: Tensor | None, padding: Tensor | None, scale: float
    ) -> Tensor:
        def attend(normal: Tensor, onto: Tensor | None) -> Tensor:
            mixed: Tensor = self.self_attn(normal, distances, padding, onto)
            if self.options.concat_after:
                mixed = self.concat_linear(torch.cat((normal, mixed), dim=-1))
            return mixed

        if self.options.concat_after:
            # ESPnet applies no dropout on this branch.
            normal = self.norm_mha(frames) if self.options.normalize_before else frames
            out = frames.add(attend(normal, None), alpha=scale)
            return out if self.options.normalize_before else self.norm_mha(out)
        return self._residual(frames, self.norm_mha, attend, scale)
