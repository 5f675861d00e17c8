"""Law of sizes: exit k has the parameters of a k-block model with that exit's head."""

from __future__ import annotations

import pytest
from model_factory import ENCODER, HEAD_CONFS, make_model
from ssl_factory import build_ssl_model

from espnet_ee.heads import build_head, num_parameters
from espnet_ee.host.parameters import exit_parameters

LINEAR = {"encoder": "ee_e_branchformer", "model_conf": HEAD_CONFS["linear"]}
SETTINGS = {f"{head} heads": {"model_conf": conf} for head, conf in HEAD_CONFS.items()} | {
    "transformer": {"encoder": "ee_transformer"},
    "e_branchformer": LINEAR,
    "half rate": {"encoder_conf": {"half_rate_layers": [2, 6]}},
    "no final norm": {"encoder_conf": {"normalize_before": False}},
    "learned weights": {"model_conf": {"exit_weights": "uncertainty"}},
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("index", [0, 1, 2])
def test_an_exit_has_the_parameters_of_the_model_cut_there(settings, index, tmp_path):
    full = make_model(tmp_path, **settings)
    layer = full.encoder.exit_layers[index]
    conf = dict(settings.get("encoder_conf", {}), num_blocks=layer, exit_layers=[layer])
    if "half_rate_layers" in conf:
        conf["exit_layers"] = [2, layer][index == 0 :]
        conf["half_rate_layers"] = [n for n in conf["half_rate_layers"] if n <= layer]
    encoder = settings.get("encoder", "ee_conformer")
    short = make_model(tmp_path, encoder=encoder, encoder_conf=conf)  # its only head is linear
    assert exit_parameters(full)[index] == (
        num_parameters(short.encoder)
        + num_parameters(_head_of(settings, index, full.vocab_size))
        + num_parameters(short.frontend)
    )


def _head_of(settings, index, vocab_size):
    conf = settings.get("model_conf", {})
    last = index == 2  # the last exit's is always linear
    name = "linear" if last else conf.get("exit_head", "linear")
    options = {} if last else conf.get("exit_head_conf", {})
    return build_head(name, options, ENCODER["output_size"], vocab_size, 0.0)


def test_the_last_exit_of_a_model_of_one_exit_is_all_of_it(tmp_path):
    model = make_model(tmp_path, encoder_conf={"exit_layers": [6]})
    assert exit_parameters(model) == (num_parameters(model),)


def test_attention_decoders_and_other_heads_are_no_part_of_an_exit(tmp_path):
    alone = make_model(tmp_path, encoder_conf={"exit_layers": [6]})
    decoder = {"decoder": "transformer", "decoder_conf": {"num_blocks": 1, "linear_units": 8}}
    both = make_model(tmp_path, model_conf={"ctc_weight": 0.5}, **decoder)
    assert exit_parameters(both)[-1] == num_parameters(alone) < num_parameters(both)


def test_a_self_supervised_encoder(tmp_path):
    model, _ = build_ssl_model(tmp_path)
    encoder = model.encoder
    block = num_parameters(encoder.encoder.transformer.layers[-1])
    below = num_parameters(encoder) + num_parameters(model.ctc.ctc_lo)
    for layer, parameters in zip(encoder.exit_layers, exit_parameters(model), strict=True):
        assert parameters == below - block * (encoder.exit_layers[-1] - layer)
