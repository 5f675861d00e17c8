"""``encoder: ee_e_branchformer``: ESPnet's E-Branchformer, with exits that stop.

Exits read the final normalisation, as in ESPnet's Conformer; its own E-Branchformer forgets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from espnet_ee.host.options import choose, choose_attention, odd, options_of, refuse_unknown
from espnet_ee.host.stack import StackEncoder, StackOptions
from espnet_ee.nn.e_branchformer import EBranchformerBlock, EBranchformerOptions
from espnet_ee.nn.feed_forward import ACTIVATIONS


class EarlyExitEBranchformerEncoder(StackEncoder):
    """E-Branchformer encoder with exits.

    Options are those of ESPnet's ``EBranchformerEncoder``, with its defaults, and those of
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
        attention_layer_type: str = "rel_selfattn",
        pos_enc_layer_type: str = "rel_pos",
        rel_pos_type: str = "latest",
        cgmlp_linear_units: int = 2048,
        cgmlp_conv_kernel: int = 31,
        use_linear_after_conv: bool = False,
        gate_activation: str = "identity",
        num_blocks: int = 12,
        dropout_rate: float = 0.1,
        positional_dropout_rate: float = 0.1,
        attention_dropout_rate: float = 0.0,
        input_layer: str = "conv2d",
        layer_drop_rate: float | Sequence[float] = 0.0,
        use_ffn: bool = False,
        macaron_ffn: bool = False,
        ffn_activation_type: str = "swish",
        linear_units: int = 2048,
        merge_conv_kernel: int = 3,
        exit_layers: Sequence[int] = (),
        interctc_layer_idx: Sequence[int] = (),
        stem_channels: int = 0,
        half_rate_layers: Sequence[int] = (),
        **unknown: Any,
    ) -> None:
        refuse_unknown(unknown, options_of(type(self)))
        choose("gate_activation", gate_activation, ("identity", *ACTIVATIONS))
        choose("ffn_activation_type", ffn_activation_type, tuple(ACTIVATIONS))
        relative = choose_attention(
            rel_pos_type, pos_enc_layer_type, "attention_layer_type", attention_layer_type
        )
        odd("cgmlp_conv_kernel", cgmlp_conv_kernel)
        odd("merge_conv_kernel", merge_conv_kernel)
        block = EBranchformerOptions(
            output_size=output_size,
            attention_heads=attention_heads,
            cgmlp_linear_units=cgmlp_linear_units,
            cgmlp_conv_kernel=cgmlp_conv_kernel,
            use_linear_after_conv=use_linear_after_conv,
            gate_activation=gate_activation,
            dropout_rate=dropout_rate,
            attention_dropout_rate=attention_dropout_rate,
            use_ffn=use_ffn,
            macaron_ffn=macaron_ffn,
            ffn_activation_type=ffn_activation_type,
            linear_units=linear_units,
            merge_conv_kernel=merge_conv_kernel,
            relative_positions=relative,
        )
        options = StackOptions(
            input_size=input_size,
            output_size=output_size,
            attention_heads=attention_heads,
            num_blocks=num_blocks,
            positional_dropout_rate=positional_dropout_rate,
            input_layer=input_layer,
            relative_positions=relative,
            final_norm=True,
            exit_layers=exit_layers,
            interctc_layer_idx=interctc_layer_idx,
            stem_channels=stem_channels,
            layer_drop_rate=layer_drop_rate,
            half_rate_layers=half_rate_layers,
        )
        super().__init__(options, lambda layer: EBranchformerBlock(block))
