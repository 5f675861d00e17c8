"""Options of ee_conformer: what it refuses, and how it says so."""

from __future__ import annotations

import pytest
import torch
from model_factory import ENCODER, make_features

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.host.conformer import EarlyExitConformerEncoder
from espnet_ee.host.options import REFUSED


def build(**changes):
    return EarlyExitConformerEncoder(40, **{**ENCODER, **changes})


def error_of(**changes):
    with pytest.raises(ConfigError) as error:
        build(**changes)
    return str(error.value)


@pytest.mark.parametrize("option", REFUSED)
def test_a_refused_option_says_why(option):
    message = error_of(**{option: "something"})
    assert message.splitlines() == [
        f"early-exit encoders do not take encoder_conf.{option}: {REFUSED[option]}.",
        f"  got:  {option}='something'",
        "  fix:  leave it out",
    ]


def test_refused_options_at_espnets_neutral_values_are_nothing_to_refuse():
    """Configurations written out in full by ESPnet name every option."""
    encoder = build(
        positionwise_layer_type="linear",
        zero_triu=False,
        interctc_use_conditioning=False,
        ctc_trim=False,
        layer_drop_rate=0.0,
        qk_norm=False,
        padding_idx=-1,
    )
    assert encoder.exit_layers == (2, 4, 6)


def test_an_unknown_option_names_the_nearest():
    message = error_of(exit_layer=[2])
    assert message.startswith("unknown option encoder_conf.exit_layer.")
    assert message.endswith("fix:  did you mean exit_layers?")
    assert "stem_channels" in message and "unknown" not in message.splitlines()[1]
    assert error_of(qwertz=1).endswith("fix:  leave it out")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"input_layer": "conv2d6"},
            ("input_layer", "'conv2d6'", "conv2d or conv1d or dwconv4 or dwconv8"),
        ),
        ({"activation_type": "mish"}, ("activation_type", "'mish'", "swish")),
        ({"rel_pos_type": "legacy"}, ("rel_pos_type", "'legacy'", "latest")),
        ({"pos_enc_layer_type": "conv"}, ("pos_enc_layer_type", "'conv'", "rel_pos or abs_pos")),
        (
            {"pos_enc_layer_type": "abs_pos"},
            ("selfattention_layer_type", "'rel_selfattn'", "selfattn"),
        ),
        ({"selfattention_layer_type": "selfattn"}, ("selfattention_layer_type", "rel_selfattn")),
        (
            {"output_size": 18, "attention_heads": 4},
            ("output_size=18, attention_heads=4", "multiple"),
        ),
        ({"output_size": 15, "attention_heads": 3}, ("output_size=15", "even")),
        ({"cnn_module_kernel": 8}, ("cnn_module_kernel is even", "8", "odd")),
        ({"exit_layers": [3, 9]}, ("exit_layers is [9] outside 1..6", "exit_layers=[2,4,6]")),
        ({"interctc_layer_idx": [3]}, ("exit_layers and interctc_layer_idx", "[2, 4, 6] and [3]")),
        ({"stochastic_depth_rate": [0.1]}, ("stochastic_depth_rate", "[0.1] for 6 blocks")),
        ({"stochastic_depth_rate": 1.0}, ("stochastic_depth_rate", "1.0 for 6 blocks")),
    ],
)
def test_a_wrong_value_says_what_is_wanted(changes, parts):
    message = error_of(**changes)
    for part in parts:
        assert part in message
    assert "encoder_conf." in message


def test_espnets_name_for_exits_works_alone():
    encoder = build(exit_layers=[], interctc_layer_idx=[1, 3])
    assert encoder.exit_layers == (1, 3, 6) and encoder.interctc_layer_idx == [1, 3]


@pytest.mark.parametrize(("stem", "fewest"), [("conv2d", 7), ("dwconv8", 15)])
def test_too_short_for_one_frame(stem, fewest):
    encoder = build(input_layer=stem).eval()
    assert encoder.min_feature_frames == fewest
    features, lengths = make_features([40, fewest])
    with torch.inference_mode():
        assert encoder(features, lengths)[1].tolist()[1] == 1
    with pytest.raises(DataError, match=rf"{fewest - 1} feature frames(.|\n)*at least {fewest}"):
        encoder(features, torch.tensor([40, fewest - 1]))
