"""``encoder: ee_conformer``: ESPnet's Conformer weights and options, with exits that stop."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.exits import Frames, batch_positions, check_exit_layers
from espnet_ee.host.encoder import EarlyExitEncoder
from espnet_ee.host.options import choose, per_block, refuse_unknown
from espnet_ee.nn.conformer import ACTIVATIONS, BlockOptions, ConformerBlock, layer_norm
from espnet_ee.nn.masks import padding_or_none
from espnet_ee.nn.onednn import pad_to_few_shapes
from espnet_ee.nn.positions import Positions
from espnet_ee.nn.stems import STEM_NAMES, build_stem


class BlockContext(NamedTuple):
    """What all blocks share at one batch shape."""

    distances: Tensor | None  # (2T-1, D)
    padding: Tensor | None  # (B, T), true on padding


class EarlyExitConformerEncoder(EarlyExitEncoder):
    """Conformer encoder with exits.

    All options but the following are those of ESPnet's ``ConformerEncoder``, with its defaults.

    Args:
        input_size: ``F`` feature bins.
        exit_layers: 1-based blocks with an exit; the last block is always one.
        input_layer: Stem: ``conv2d`` (ESPnet's, 4x), ``conv1d`` (two Conv1d, 4x),
            ``dwconv4`` or ``dwconv8`` (depthwise-separable, 4x and 8x).
        stem_channels: Feature maps of the depthwise stems; 0 means a quarter of ``output_size``.
        rel_pos_type: Only ``latest``: ESPnet's legacy kind depends on the padded length.
        interctc_layer_idx: ESPnet's name for ``exit_layers``; give one of the two.

    Raises:
        ConfigError: A value is out of range, or the option is unknown or refused.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int = 256,
        attention_heads: int = 4,
        linear_units: int = 2048,
        num_blocks: int = 6,
        dropout_rate: float = 0.1,
        positional_dropout_rate: float = 0.1,
        attention_dropout_rate: float = 0.0,
        input_layer: str = "conv2d",
        normalize_before: bool = True,
        concat_after: bool = False,
        macaron_style: bool = False,
        rel_pos_type: str = "latest",
        pos_enc_layer_type: str = "rel_pos",
        selfattention_layer_type: str = "rel_selfattn",
        activation_type: str = "swish",
        use_cnn_module: bool = True,
        cnn_module_kernel: int = 31,
        stochastic_depth_rate: float | Sequence[float] = 0.0,
        exit_layers: Sequence[int] = (),
        interctc_layer_idx: Sequence[int] = (),
        stem_channels: int = 0,
        **unknown: Any,
    ) -> None:
        super().__init__()
        refuse_unknown(unknown, list(inspect.signature(type(self)).parameters)[1:-1])
        choose("input_layer", input_layer, STEM_NAMES)
        choose("activation_type", activation_type, tuple(ACTIVATIONS))
        choose("rel_pos_type", rel_pos_type, ("latest",))
        choose("pos_enc_layer_type", pos_enc_layer_type, ("rel_pos", "abs_pos"))
        relative = pos_enc_layer_type == "rel_pos"
        wanted_attention = "rel_selfattn" if relative else "selfattn"
        choose("selfattention_layer_type", selfattention_layer_type, (wanted_attention,))
        if output_size % attention_heads or output_size % 2:
            raise ConfigError(
                "encoder_conf.output_size does not divide into attention heads.",
                got=f"output_size={output_size}, attention_heads={attention_heads}",
                want="an even multiple of attention_heads",
            )
        if cnn_module_kernel % 2 == 0:
            raise ConfigError(
                "encoder_conf.cnn_module_kernel is even.",
                got=str(cnn_module_kernel),
                want="an odd number",
            )
        if exit_layers and interctc_layer_idx and [*exit_layers] != [*interctc_layer_idx]:
            raise ConfigError(
                "encoder_conf.exit_layers and interctc_layer_idx name the same thing.",
                got=f"{exit_layers} and {interctc_layer_idx}",
                fix="keep exit_layers only",
            )
        self._output_size = output_size
        self.normalize_before = normalize_before
        self.exit_layers = check_exit_layers(exit_layers or interctc_layer_idx, num_blocks)
        positions = Positions(output_size, relative, positional_dropout_rate)
        channels = stem_channels or max(1, output_size // 4)
        self.embed = build_stem(input_layer, input_size, output_size, positions, channels)
        rates = per_block("stochastic_depth_rate", stochastic_depth_rate, num_blocks)
        self.encoders = nn.ModuleList(
            ConformerBlock(
                BlockOptions(
                    output_size=output_size,
                    attention_heads=attention_heads,
                    linear_units=linear_units,
                    dropout_rate=dropout_rate,
                    attention_dropout_rate=attention_dropout_rate,
                    normalize_before=normalize_before,
                    concat_after=concat_after,
                    macaron_style=macaron_style,
                    activation_type=activation_type,
                    use_cnn_module=use_cnn_module,
                    cnn_module_kernel=cnn_module_kernel,
                    relative_positions=relative,
                    stochastic_depth_rate=rate,
                )
            )
            for rate in rates
        )
        if normalize_before:
            self.after_norm = layer_norm(output_size)

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
        """``(B, T, D)`` after block ``layer``."""
        return self._block(layer)(frames.hidden, context.distances, context.padding)

    def exit_hidden(self, hidden: Tensor) -> Tensor:
        """The shared final normalisation, as ESPnet applies to intermediate outputs."""
        return self.after_norm(hidden) if self.normalize_before else hidden

    def stem_flops(self, feature_frames: int) -> int:
        """FLOPs of the stem for one utterance."""
        return self.embed.flops(feature_frames)

    def block_flops(self, layer: int, frames: int) -> int:
        """FLOPs of block ``layer`` for one utterance."""
        return self._block(layer).flops(frames)

    def _block(self, layer: int) -> ConformerBlock:
        block = self.encoders[layer - 1]
        assert isinstance(block, ConformerBlock)
        return block

    def frames_of(self, feature_frames: int) -> int:
        """Frames behind the stem."""
        import torch

        return int(self.embed.output_lengths(torch.tensor(feature_frames)))
