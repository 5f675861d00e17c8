"""Checks of ``encoder_conf``: every option has an effect, or is refused with a reason."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from espnet_ee.errors import ConfigError
from espnet_ee.spelling import closest

# ESPnet options that we refuse rather than ignore, each with its reason.
REFUSED = {
    "positionwise_layer_type": "convolutional feed-forward layers read their neighbours' padding",
    "positionwise_conv_kernel_size": "belongs to convolutional feed-forward layers",
    "zero_triu": "it changes relative attention to causal, which no recipe uses",
    "interctc_use_conditioning": "self-conditioning makes an exit's head part of the deeper blocks",
    "ctc_trim": "it drops frames, so exits would differ in length",
    "qk_norm": "not part of ESPnet's relative attention",
    "padding_idx": "belongs to input_layer: embed",
    "max_pos_emb_len": "positions grow on demand here",
    "use_flash_attn": "attention always runs through scaled_dot_product_attention here",
    "gradient_checkpoint_layers": "activations are always kept",
    "use_sdpa": "attention always runs through scaled_dot_product_attention here",
}

# Values at which a refused option asks for nothing; ESPnet's configurations may spell them out.
NEUTRAL = {
    "positionwise_layer_type": "linear",
    "zero_triu": False,
    "interctc_use_conditioning": False,
    "ctc_trim": False,
    "qk_norm": False,
    "padding_idx": -1,
    "gradient_checkpoint_layers": [],
}


def options_of(encoder: type) -> list[str]:
    """Names that ``encoder_conf`` may use: the constructor's, less ``input_size`` and the rest."""
    return list(inspect.signature(encoder).parameters)[1:-1]


def refuse_unknown(unknown: dict[str, Any], known: Sequence[str]) -> None:
    """Complain about options that nobody reads; neutral values of ESPnet's own options pass.

    Raises:
        ConfigError: The option is unknown (the nearest of ``known`` is named), or refused.
    """
    for name, value in unknown.items():
        if name in REFUSED:
            if name in NEUTRAL and value == NEUTRAL[name]:
                continue
            raise ConfigError(
                f"early-exit encoders do not take encoder_conf.{name}: {REFUSED[name]}.",
                got=f"{name}={value!r}",
                fix="leave it out",
            )
        near = closest(name, known)
        raise ConfigError(
            f"unknown option encoder_conf.{name}.",
            want=", ".join(known),
            fix=f"did you mean {near}?" if near else "leave it out",
        )


def choose(option: str, value: str, allowed: Sequence[str]) -> None:
    """Check one option against its values.

    Raises:
        ConfigError: ``value`` is not allowed.
    """
    if value not in allowed:
        raise ConfigError(
            f"encoder_conf.{option} is not one that this encoder offers.",
            got=repr(value),
            want=" or ".join(allowed),
        )


def choose_attention(
    rel_pos_type: str, pos_enc_layer_type: str, attention_option: str, attention: str
) -> bool:
    """Check the three options that choose positions; true if they are relative.

    Raises:
        ConfigError: One is not offered, or attention and positions do not belong together.
    """
    choose("rel_pos_type", rel_pos_type, ("latest",))
    choose("pos_enc_layer_type", pos_enc_layer_type, ("rel_pos", "abs_pos"))
    relative = pos_enc_layer_type == "rel_pos"
    choose(attention_option, attention, ("rel_selfattn" if relative else "selfattn",))
    return relative


def odd(option: str, value: int) -> None:
    """Check a kernel size.

    Raises:
        ConfigError: It is even.
    """
    if value % 2 == 0:
        raise ConfigError(f"encoder_conf.{option} is even.", got=str(value), want="an odd number")


def per_block(option: str, value: float | Sequence[float], num_blocks: int) -> list[float]:
    """One rate per block.

    Raises:
        ConfigError: The wrong number of rates, or one outside [0, 1).
    """
    rates = (
        [float(value)] * num_blocks if isinstance(value, int | float) else [float(v) for v in value]
    )
    if len(rates) != num_blocks or any(not 0.0 <= rate < 1.0 for rate in rates):
        raise ConfigError(
            f"encoder_conf.{option} needs one rate in [0, 1) or one per block.",
            got=f"{value!r} for {num_blocks} blocks",
        )
    return rates
