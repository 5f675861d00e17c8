"""``encoder: ee_conformer``: ESPnet's Conformer weights and options, with exits that stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from espnet_ee.host.options import (
    choose,
    choose_attention,
    odd,
    options_of,
    per_block,
    refuse_unknown,
)
from espnet_ee.host.stack import StackEncoder, StackOptions
from espnet_ee.nn.conformer import BlockOptions, ConformerBlock
from espnet_ee.nn.feed_forward import ACTIVATIONS


class EarlyExitConformerEncoder(StackEncoder):
    """Conformer encoder with exits.

    Options are those of ESPnet's ``ConformerEncoder``, with its defaults, and those of
    ``StackOptions``.

    Args:
        rel_pos_type: Only ``latest``: ESPnet's legacy kind depends on the padded length.

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
        layer_drop_rate: float | Sequence[float] = 0.0,
        exit_layers: Sequence[int] = (),
        interctc_layer_idx: Sequence[int] = (),
        stem_channels: int = 0,
        half_rate_layers: Sequence[int] = (),
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, options_of(type(self)))
        choose("activation_type", activation_type, tuple(ACTIVATIONS))
        relative = choose_attention(
            rel_pos_type, pos_enc_layer_type, "selfattention_layer_type", selfattention_layer_type
        )
        odd("cnn_module_kernel", cnn_module_kernel)
        rates = per_block("stochastic_depth_rate", stochastic_depth_rate, num_blocks)

        def make_block(layer: int) -> ConformerBlock:
            return ConformerBlock(
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
                    stochastic_depth_rate=rates[layer - 1],
                )
            )

        options = StackOptions(
            input_size=input_size,
            output_size=output_size,
            attention_heads=attention_heads,
            num_blocks=num_blocks,
            positional_dropout_rate=positional_dropout_rate,
            input_layer=input_layer,
            relative_positions=relative,
            final_norm=normalize_before,
            exit_layers=exit_layers,
            interctc_layer_idx=interctc_layer_idx,
            stem_channels=stem_channels,
            layer_drop_rate=layer_drop_rate,
            half_rate_layers=half_rate_layers,
        )
        super().__init__(options, make_block)
        self._stochastic_depth = any(rate > 0.0 for rate in rates)

    @property
    def may_skip_parameters(self) -> bool:
        """Whether a training step may leave parameters without a gradient."""
        return self._stochastic_depth or super().may_skip_parameters
