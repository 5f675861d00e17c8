"""A stem, a stack of like blocks and a final normalisation: what our encoders from scratch share.

A new backbone is a block in ``espnet_ee/nn/`` and a small file beside this one that reads its
options and calls ``StackEncoder.__init__``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.exits import Frames, batch_positions, check_exit_layers
from espnet_ee.host.encoder import EarlyExitEncoder
from espnet_ee.host.options import choose, per_block
from espnet_ee.nn.block import Block
from espnet_ee.nn.feed_forward import layer_norm
from espnet_ee.nn.half_rate import HalfRateBranch
from espnet_ee.nn.masks import padding_or_none
from espnet_ee.nn.onednn import pad_to_few_shapes
from espnet_ee.nn.positions import Positions
from espnet_ee.nn.stems import STEM_NAMES, build_stem


class BlockContext(NamedTuple):
    """What all blocks share at one batch shape."""

    distances: Tensor | None  # (2T-1, D)
    padding: Tensor | None  # (B, T), true on padding


@dataclass(frozen=True)
class StackOptions:
    """What every stack is made of, whatever its blocks; the names are ``encoder_conf`` keys.

    Attributes:
        input_size: ``F`` feature bins.
        output_size: ``D``.
        attention_heads: Divides ``D``.
        num_blocks: Depth.
        positional_dropout_rate: On stem output and position embeddings.
        input_layer: Stem: ``conv2d`` (ESPnet's, 4x), ``conv1d`` (two Conv1d, 4x),
            ``dwconv4`` or ``dwconv8`` (depthwise-separable, 4x and 8x).
        relative_positions: Of distances (Transformer-XL), else absolute.
        final_norm: A normalisation shared by all exits.
        exit_layers: 1-based blocks with an exit; the last block is always one.
        interctc_layer_idx: ESPnet's name for ``exit_layers``; give one of the two.
        stem_channels: Feature maps of the depthwise stems; 0 means a quarter of ``D``.
        layer_drop_rate: Probability that a whole block is left out in a training step
            (LayerDrop, arXiv:1909.11556), one for all or one per block.
        half_rate_layers: Exits at which a block at half the frame rate runs beside the blocks
            since the exit before (Splitformer, arXiv:2506.18035).
    """

    input_size: int
    output_size: int
    attention_heads: int
    num_blocks: int
    positional_dropout_rate: float
    input_layer: str
    relative_positions: bool
    final_norm: bool
    exit_layers: Sequence[int]
    interctc_layer_idx: Sequence[int]
    stem_channels: int
    layer_drop_rate: float | Sequence[float]
    half_rate_layers: Sequence[int]


class StackEncoder(EarlyExitEncoder):
    """Stem, blocks, exits.

    Args:
        options: Of the stack.
        make_block: The block at a layer, counted from 1.

    Raises:
        ConfigError: An option is out of range.
    """

    def __init__(self, options: StackOptions, make_block: Callable[[int], Block]) -> None:
        super().__init__()
        _check(options)
        width = options.output_size
        self._output_size = width
        self.exit_layers = check_exit_layers(
            options.exit_layers or options.interctc_layer_idx, options.num_blocks
        )
        self.embed = build_stem(
            options.input_layer,
            options.input_size,
            width,
            Positions(width, options.relative_positions, options.positional_dropout_rate),
            options.stem_channels or max(1, width // 4),
        )
        self.encoders = nn.ModuleList(make_block(n) for n in range(1, options.num_blocks + 1))
        self.drop_rates = per_block("layer_drop_rate", options.layer_drop_rate, options.num_blocks)
        beside = _half_rate_layers(options.half_rate_layers, self.exit_layers)
        self.half_rate = nn.ModuleDict({str(n): HalfRateBranch(make_block(n)) for n in beside})
        if options.final_norm:
            self.after_norm = layer_norm(width)
        self._final_norm = options.final_norm

    def output_size(self) -> int:
        """Width ``D`` of hidden states."""
        return self._output_size

    @property
    def min_feature_frames(self) -> int:
        """The fewest feature frames an utterance may have."""
        return self.embed.min_frames

    def stem_frames(self, features: Tensor, lengths: Tensor) -> Frames:
        """Everything before block 1.

        Raises:
            DataError: An utterance is too short to give one frame.
        """
        shortest = int(lengths.min())
        if shortest < self.min_feature_frames:
            raise DataError(
                "an utterance is too short for the stem.",
                got=f"{shortest} feature frames",
                want=f"at least {self.min_feature_frames}",
                fix="drop it, or join it to its neighbour",
            )
        out_lengths = self.embed.output_lengths(lengths)
        on_cpu = features.device.type == "cpu"
        if on_cpu and not self.training:
            hidden = self._stem_one_by_one(features, lengths)
        elif on_cpu:
            hidden = self.embed(pad_to_few_shapes(features))
        else:
            # features may be padded further than the longest utterance needs.
            hidden = self.embed(features)[:, : int(out_lengths.max())]
        return Frames(hidden, out_lengths, batch_positions(hidden))

    def _stem_one_by_one(self, features: Tensor, lengths: Tensor) -> Tensor:
        """On a CPU the feature maps of one utterance fit its caches, those of a batch do not."""
        rows = [
            self.embed(row[None, :n])[0] for row, n in zip(features, lengths.tolist(), strict=True)
        ]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    def block_context(self, frames: Frames) -> BlockContext:
        """Relative positions and padding for the shape of ``frames``."""
        padding = padding_or_none(frames.lengths, frames.hidden.shape[1])
        return BlockContext(self.embed.positions.distances(frames.hidden), padding)

    def run_block(self, layer: int, frames: Frames, context: BlockContext) -> Tensor:
        """``(B, T, D)`` after block ``layer``; in training the block may be dropped."""
        if self.drops(layer):
            return frames.hidden
        return self._block(layer)(frames.hidden, context.distances, context.padding)

    def run_segment(self, first: int, last: int, frames: Frames, context: BlockContext) -> Frames:
        """The blocks ``first..last`` and, where there is one, the half-rate block beside them."""
        after = super().run_segment(first, last, frames, context)
        branch = self._branch(last)
        if branch is None:
            return after
        halved = branch.halve(frames)
        update = branch(halved, self.block_context(halved))
        return replace(after, hidden=after.hidden + branch.stretch(update, after.hidden.shape[1]))

    def layer_modules(self, layer: int) -> list[nn.Module]:
        """Block ``layer`` and, where there is one, the half-rate block beside it."""
        branch = self._branch(layer)
        return [self._block(layer), *([] if branch is None else [branch])]

    def exit_hidden(self, hidden: Tensor) -> Tensor:
        """The shared final normalisation, as ESPnet's Conformer has for intermediate outputs."""
        return self.after_norm(hidden) if self._final_norm else hidden

    def stem_flops(self, feature_frames: int) -> int:
        """FLOPs of the stem for one utterance."""
        return self.embed.flops(feature_frames)

    def block_flops(self, layer: int, frames: int) -> int:
        """FLOPs of block ``layer`` for one utterance."""
        return self._block(layer).flops(frames)

    def segment_flops(self, first: int, last: int, frames: int) -> int:
        """FLOPs of ``run_segment`` for one utterance."""
        branch = self._branch(last)
        beside = branch.flops(frames) if branch is not None else 0
        return super().segment_flops(first, last, frames) + beside

    def frames_of(self, feature_frames: int) -> int:
        """Frames behind the stem."""
        return int(self.embed.output_lengths(torch.tensor(feature_frames)))

    @property
    def frame_shift(self) -> int:
        """Feature frames from one frame behind the stem to the next."""
        return self.embed.hop

    def _block(self, layer: int) -> Block:
        block = self.encoders[layer - 1]
        assert isinstance(block, Block)
        return block

    def _branch(self, layer: int) -> HalfRateBranch | None:
        if str(layer) not in self.half_rate:
            return None
        branch = self.half_rate[str(layer)]
        assert isinstance(branch, HalfRateBranch)
        return branch


def _half_rate_layers(layers: Sequence[int], exit_layers: Sequence[int]) -> tuple[int, ...]:
    outside = [layer for layer in layers if layer not in exit_layers]
    if outside:
        raise ConfigError(
            "encoder_conf.half_rate_layers names layers without an exit.",
            got=str(outside),
            want=f"some of the exits {list(exit_layers)}, e.g. the first and the last",
        )
    return tuple(layers)


def _check(options: StackOptions) -> None:
    choose("input_layer", options.input_layer, STEM_NAMES)
    width, heads = options.output_size, options.attention_heads
    if width % heads or width % 2:
        raise ConfigError(
            "encoder_conf.output_size does not divide into attention heads.",
            got=f"output_size={width}, attention_heads={heads}",
            want="an even multiple of attention_heads",
        )
    exits, espnets = options.exit_layers, options.interctc_layer_idx
    if exits and espnets and [*exits] != [*espnets]:
        raise ConfigError(
            "encoder_conf.exit_layers and interctc_layer_idx name the same thing.",
            got=f"{exits} and {espnets}",
            fix="keep exit_layers only",
        )
