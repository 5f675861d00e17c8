"""ESPnet knows our classes once they are imported: here, in spawned workers, in its own tools."""

from __future__ import annotations

import multiprocessing

import pytest
from model_factory import TOKENS, make_args, make_experiment, make_settings, make_waves

from espnet_ee.errors import ConfigError
from espnet_ee.host import registry
from espnet_ee.host.compat import ASRTask, asr_task_module


def test_our_names_are_espnets_choices():
    assert asr_task_module.encoder_choices.get_class("ee_conformer").__name__.startswith(
        "EarlyExit"
    )
    assert asr_task_module.model_choices.get_class("ee_ctc_att").__name__.startswith("EarlyExit")


def test_registering_twice_is_registering_once():
    before = dict(asr_task_module.encoder_choices.classes)
    registry.register()
    assert asr_task_module.encoder_choices.classes == before


@pytest.mark.parametrize("entry", [{"Upper": registry.EarlyExitConformerEncoder}, {"odd": dict}])
def test_names_espnet_could_not_look_up_are_refused(entry, monkeypatch):
    monkeypatch.setattr(registry, "ENCODERS", entry)
    with pytest.raises(ConfigError, match="cannot register"):
        registry.register()


def test_espnets_own_task_builds_our_model(tmp_path):
    model = ASRTask.build_model(make_args(tmp_path, make_settings()))
    assert model.encoder.exit_layers == (2, 4, 6)


def test_registration_survives_a_spawned_process(tmp_path):
    """ESPnet starts workers so: the target is a reference, its module is imported anew (10 s)."""
    from espnet_ee.bin.asr_train import EarlyExitASRTask

    worker = multiprocessing.get_context("spawn").Process(
        target=EarlyExitASRTask.build_model, args=(make_args(tmp_path, make_settings()),)
    )
    worker.start()
    worker.join()
    assert worker.exitcode == 0


def test_stock_inference_reads_our_model(tmp_path):
    """The last exit speaks through ESPnet's own CTC, so its beam search runs on our models."""
    from espnet2.bin.asr_inference import Speech2Text

    exp = make_experiment(tmp_path / "exp", encoder_conf={"input_layer": "conv2d"})
    stock = Speech2Text(
        str(exp / "config.yaml"),
        str(exp / "valid.cer_ctc.ave.pth"),
        ctc_weight=1.0,
        beam_size=2,
        nbest=1,
    )
    results = stock(make_waves([12000])[0])
    hypothesis = results[0][0] if isinstance(results, tuple) else results[0]
    text, tokens, token_ids, _ = hypothesis
    assert set(tokens) <= set(TOKENS) and len(tokens) == len(token_ids) > 0
    assert isinstance(text, str)
