"""Parts that ee_ctc_att refuses, and what it hands to ESPnet."""

from __future__ import annotations

import pytest
import torch
from model_factory import TOKENS, make_model, make_settings, make_waves

from espnet_ee.errors import ConfigError

STOCK = {"output_size": 16, "attention_heads": 2, "linear_units": 24, "num_blocks": 2}


def error_of(folder, monkeypatch, **changes):
    encoder = changes.pop("whole_encoder_conf", None)
    if encoder is not None:
        settings = {**make_settings(**changes), "encoder_conf": encoder}
        monkeypatch.setattr("model_factory.make_settings", lambda **_: settings)
    with pytest.raises(ConfigError) as error:
        make_model(folder, **changes)
    return str(error.value)


def test_all_problems_at_once(tmp_path, monkeypatch):
    message = error_of(
        tmp_path,
        monkeypatch,
        encoder="transformer",
        whole_encoder_conf=STOCK,
        model_conf={"ctc_weight": 0.0},
        ctc_conf={"ctc_type": "builtin2"},
    )
    for part in (
        "encoder TransformerEncoder has no exits (want one of ours, e.g. ee_conformer)",
        "ctc_weight is 0.0 (want more than 0, at most 1)",
        "ctc_type is builtin2 (want builtin)",
    ):
        assert part in message


def test_the_blank_comes_first(tmp_path, monkeypatch):
    shuffled = [*TOKENS[1:], TOKENS[0]]
    message = error_of(tmp_path, monkeypatch, token_list=shuffled)
    assert message.startswith("the first token must be the blank.")


def test_weights_that_do_not_fit_the_exits(tmp_path, monkeypatch):
    message = error_of(tmp_path, monkeypatch, model_conf={"exit_weights": [1.0, 2.0]})
    assert "[1.0, 2.0] for 3 exits" in message


@pytest.mark.parametrize(("kind", "layers"), [("own", ["2", "4"]), ("shared", [])])
def test_the_last_exit_speaks_through_espnets_ctc(kind, layers, tmp_path):
    model = make_model(tmp_path, model_conf={"exit_heads": kind})
    assert list(model.exit_heads) == layers
    exit = _last_exit(model)
    torch.testing.assert_close(model.exit_log_probs(exit), model.ctc.log_softmax(exit.hidden))


def _last_exit(model):
    speech = torch.from_numpy(make_waves([16000])[0])[None]
    return list(model.walk([model.speech_features(speech, torch.tensor([16000]))]))[-1]


def test_encode_follows_the_interctc_convention(tmp_path):
    model = make_model(tmp_path)
    speech = torch.from_numpy(make_waves([16000])[0])[None]
    (last, below), lengths = model.encode(speech, torch.tensor([16000]))
    assert [layer for layer, _ in below] == [2, 4]
    assert last.shape == below[0][1].shape and lengths.tolist() == [last.shape[1]]


def test_collect_feats_counts_the_frames_of_each_utterance(tmp_path):
    model = make_model(tmp_path)
    speech = torch.nn.utils.rnn.pad_sequence(
        [torch.from_numpy(w) for w in make_waves([16000, 8000])], batch_first=True
    )
    text = torch.ones(2, 3, dtype=torch.long)
    found = model.collect_feats(speech, torch.tensor([16000, 8000]), text, torch.tensor([3, 3]))
    assert found["feats"].shape == (2, 101, 40) and found["feats_lengths"].tolist() == [101, 51]
