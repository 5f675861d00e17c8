"""``encoder: ee_transformer``: ESPnet's Transformer weights and options, with exits that stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from espnet_ee.host.options import choose, options_of, refuse_unknown
from espnet_ee.host.stack import StackEncoder, StackOptions
from espnet_ee.nn.transformer import TransformerBlock


class EarlyExitTransformerEncoder(StackEncoder):
    """Transformer encoder with exits.

    Options are those of ESPnet's ``TransformerEncoder``, with its defaults, and those of
    ``StackOptions``.

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
        pos_enc_layer_type: str = "abs_pos",
        normalize_before: bool = True,
        concat_after: bool = False,
        layer_drop_rate: float | Sequence[float] = 0.0,
        exit_layers: Sequence[int] = (),
        interctc_layer_idx: Sequence[int] = (),
        stem_channels: int = 0,
        half_rate_layers: Sequence[int] = (),
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, options_of(type(self)))
        choose("pos_enc_layer_type", pos_enc_layer_type, ("abs_pos",))

        def make_block(layer: int) -> TransformerBlock:
            return TransformerBlock(
                output_size,
                attention_heads,
                linear_units,
                dropout_rate,
                attention_dropout_rate,
                normalize_before,
                concat_after,
            )

        options = StackOptions(
            input_size=input_size,
            output_size=output_size,
            attention_heads=attention_heads,
            num_blocks=num_blocks,
            positional_dropout_rate=positional_dropout_rate,
            input_layer=input_layer,
            relative_positions=False,
            final_norm=normalize_before,
            exit_layers=exit_layers,
            interctc_layer_idx=interctc_layer_idx,
            stem_channels=stem_channels,
            layer_drop_rate=layer_drop_rate,
            half_rate_layers=half_rate_layers,
        )
        super().__init__(options, make_block)
