"""Options of ``ee_ssl``: masking, freezing, layer drop, loading in time, clear refusals."""

from __future__ import annotations

import pytest
import torch
import yaml
from model_factory import TOKENS, make_args
from ssl_factory import (
    FAMILIES,
    TINY,
    build_ssl_model,
    make_speech,
    make_ssl_model,
    make_ssl_recogniser,
    ssl_settings,
)

from espnet_ee.errors import CheckpointError, ConfigError, DataError
from espnet_ee.host.checkpoint import load_model
from espnet_ee.host.compat import ASRTask, ESPnetASRModel
from espnet_ee.host.costing import reference_cost
from espnet_ee.host.ssl import EarlyExitSSLEncoder
from espnet_ee.host.task import EarlyExitASRTask
from espnet_ee.ssl.masking import SpanMasks, span_mask

SIZES = {"architecture": "custom", "architecture_conf": TINY}


@pytest.fixture
def batch():
    speech, lengths = make_speech([8000, 5003])
    text = torch.tensor([[3, 4, 4, 5], [7, 8, -1, -1]])
    return {
        "speech": speech,
        "speech_lengths": lengths,
        "text": text,
        "text_lengths": torch.tensor([4, 2]),
    }


def learning(model, batch):
    """Names of parameters with a gradient."""
    model.train()(**batch)[0].backward()
    return {name for name, p in model.named_parameters() if p.grad is not None}


def test_a_frozen_cnn_keeps_its_weights_and_mode(batch, tmp_path):
    model = make_ssl_model(tmp_path)
    names = learning(model, batch)
    assert not any(name.startswith("encoder.feature_extractor.") for name in names)
    rest = {n for n, p in model.named_parameters() if "feature_extractor" not in n}
    assert names == rest
    assert model.training and not model.encoder.feature_extractor.training


def test_a_free_cnn_learns(batch, tmp_path):
    model = make_ssl_model(tmp_path, freeze_cnn=False)
    assert learning(model, batch) == {name for name, _ in model.named_parameters()}
    assert model.encoder.feature_extractor.training


@pytest.mark.parametrize("family", ["hubert_base", "wavlm_base"])
def test_dropped_blocks_change_nothing(family, batch, tmp_path):
    still = {
        "dropout_rate": 0.0,
        "attention_dropout_rate": 0.0,
        "projection_dropout_rate": 0.0,
    }
    model = make_ssl_model(
        tmp_path, family, layer_drop_rate=[0.0, 0.0, 0.999999, 0.999999, 0, 0], **still
    )
    assert model.encoder.may_skip_parameters
    torch.manual_seed(0)
    exits = list(model.encoder.train().walk([(batch["speech"], batch["speech_lengths"])]))
    assert exits[0].hidden.equal(exits[1].hidden) and not exits[1].hidden.equal(exits[2].hidden)
    whole = list(model.encoder.eval().walk([(batch["speech"], batch["speech_lengths"])]))
    assert not whole[0].hidden.equal(whole[1].hidden)


def test_without_dropout_training_and_evaluation_agree(batch, tmp_path):
    """The CNN sees one utterance at a time in training too."""
    still = dict.fromkeys(
        ("dropout_rate", "attention_dropout_rate", "projection_dropout_rate"), 0.0
    )
    model = make_ssl_model(tmp_path, **still)
    loss = model.eval()(**batch)[0]
    torch.testing.assert_close(model.train()(**batch)[0], loss)


def test_masks_act_in_training_only(batch, tmp_path):
    masks = {"mask_prob": 0.5, "mask_length": 3, "mask_channel_prob": 0.3, "mask_channel_length": 2}
    model = make_ssl_model(tmp_path, **masks)
    assert "encoder.mask_embedding" in learning(model, batch)
    plain = make_ssl_model(tmp_path / "plain")
    states = model.encoder.state_dict()
    assert set(states) - set(plain.encoder.state_dict()) == {"mask_embedding"}
    del states["mask_embedding"]
    plain.encoder.load_state_dict(states)
    inputs = (batch["speech"], batch["speech_lengths"])
    walks = [list(m.eval().walk([inputs])) for m in (model, plain)]
    for one, other in zip(*walks, strict=True):
        torch.testing.assert_close(one.hidden, other.hidden)


@pytest.mark.parametrize("seed", range(5))
def test_spans_are_inside_and_about_as_many_as_asked_for(seed):
    torch.manual_seed(seed)
    lengths = torch.tensor([400, 250, 9, 1])
    mask = span_mask(lengths, 400, 0.4, 10)
    for row, n in zip(mask, lengths.tolist(), strict=True):
        assert not row[n:].any()
    # 16 spans of 10 frames at random places of 400 cover 1 - (1 - 10/400)^16 = 33 %.
    assert 0.2 < mask[0].float().mean() < 0.4
    assert not span_mask(lengths, 400, 0.0, 10)[0].sum() > 10


def test_masked_channels_are_zero_in_all_frames():
    masks = SpanMasks(0.0, 1, 0.5, 4)
    hidden = masks.apply(torch.ones(2, 7, 16), torch.tensor([7, 5]), None)
    assert set(hidden.unique().tolist()) == {0.0, 1.0}
    assert hidden.equal(hidden[:, :1].expand_as(hidden))


@pytest.mark.parametrize("family", ["hubert_base", "wavlm_large"])
def test_with_one_exit_the_loss_is_espnets(family, batch, tmp_path):
    """Law 8."""
    model = make_ssl_model(tmp_path, family, exit_layers=[])
    parts = dict.fromkeys(
        ("frontend", "specaug", "normalize", "preencoder", "postencoder", "decoder"), None
    )
    stock = ESPnetASRModel(
        vocab_size=len(TOKENS),
        token_list=list(TOKENS),
        encoder=model.encoder,
        ctc=model.ctc,
        joint_network=None,
        ctc_weight=1.0,
        **parts,
    )
    torch.testing.assert_close(model.eval()(**batch)[0], stock.eval()(**batch)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_mixed_precision(family, batch, tmp_path):
    model = make_ssl_model(tmp_path, family, mask_prob=0.3, mask_length=2, freeze_cnn=False)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.train()(**batch)[0]
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert all(g is not None and bool(g.isfinite().all()) for g in gradients.values())
    with torch.no_grad():
        full = float(model.eval()(**batch)[0])
        with torch.autocast("cpu", torch.bfloat16):
            halved = float(model(**batch)[0])
    assert halved == pytest.approx(full, rel=0.3)  # the heads are random and sharp


# -- when the checkpoint is read -----------------------------------------------------------------


def pretrained_file(folder):
    """Weights of another seed in torchaudio's layout."""
    states = make_ssl_model(folder / "other", seed=7).encoder.state_dict()
    torch.save(states, folder / "pretrained.pth")
    return folder / "pretrained.pth", states


def build(folder, task=EarlyExitASRTask, changes=None, **encoder_conf):
    args = make_args(folder, ssl_settings("hubert_base", **encoder_conf))
    vars(args).update(changes or {})
    return task.build_model(args)


def test_training_starts_from_the_checkpoint(tmp_path):
    path, states = pretrained_file(tmp_path)
    model = build(tmp_path, checkpoint=str(path))
    for name, value in model.encoder.state_dict().items():
        assert value.equal(states[name]), name


def test_training_needs_the_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere\.pth does not exist"):
        build(tmp_path, checkpoint="exp/nowhere.pth")


def test_a_trained_experiment_runs_without_the_checkpoint(tmp_path):
    path, _ = pretrained_file(tmp_path)
    asr = make_ssl_recogniser(tmp_path / "exp", checkpoint=str(path))
    path.unlink()
    loaded = load_model(asr.loaded.config, asr.loaded.checkpoint)
    again, _ = ASRTask.build_model_from_file(asr.loaded.config, asr.loaded.checkpoint, "cpu")
    ours, _ = EarlyExitASRTask.build_model_from_file(
        asr.loaded.config, asr.loaded.checkpoint, "cpu"
    )
    for model in (again, ours):
        for name, value in loaded.model.state_dict().items():
            assert value.equal(model.state_dict()[name])


def test_a_training_that_goes_on_does_not_read_it_again(tmp_path):
    (tmp_path / "checkpoint.pth").touch()
    model = build(tmp_path, changes={"resume": True}, checkpoint="exp/gone.pth")
    model.load_state_dict(model.state_dict())  # as ESPnet's trainer does
    assert model.encoder._weights_came


def test_training_from_random_weights_by_mistake_is_refused(batch, tmp_path):
    model = build(tmp_path, task=ASRTask, checkpoint="exp/anything.pth")
    with pytest.raises(ConfigError, match=r"random weights(.|\n)*espnet_ee.bin.asr_train"):
        model.train()(**batch)


def test_init_does_not_need_the_checkpoint(tmp_path):
    build(tmp_path, task=ASRTask, changes={"init": "xavier_uniform"}, checkpoint="exp/gone.pth")


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"architecture": "hubert_bas"}, r"did you mean hubert_base\?"),
        ({}, r"architecture is not one"),
        ({**SIZES, "architecture_conf": {**TINY, "encoder_layers": 3}}, r"unknown: encoder_layers"),
        ({"architecture": "custom", "architecture_conf": {}}, r"missing: encoder_embed_dim"),
        (
            {**SIZES, "architecture_conf": {**TINY, "encoder_num_heads": 3}},
            r"encoder_num_heads=3 does not divide",
        ),
        ({**SIZES, "num_blocks": 7}, r"1 to 6"),
        ({**SIZES, "exit_layers": [3, 9]}, r"\[9\] outside 1\.\.6"),
        ({**SIZES, "mask_prob": 1.5}, r"mask_prob is outside"),
        ({**SIZES, "mask_length": 0}, r"mask_length is too small"),
        ({**SIZES, "layer_drop_rate": 1.0}, r"layer_drop_rate"),
        ({**SIZES, "checkpoint_format": "kaldi"}, r"auto or torchaudio or fairseq"),
        ({**SIZES, "mask_probability": 0.1}, r"did you mean mask_prob"),
        ({"architecture": "hubert_large", "checkpoint": "HUBERT_BASE"}, r"want: .*hubert_base"),
    ],
)
def test_wrong_options_are_one_clear_error(conf, message):
    with pytest.raises(ConfigError, match=message):
        EarlyExitSSLEncoder(input_size=1, **conf)


def test_features_are_refused():
    with pytest.raises(ConfigError, match=r"reads the waveform(.|\n)*frontend: null"):
        EarlyExitSSLEncoder(input_size=80, **SIZES)


def test_a_normalisation_in_between_is_refused(tmp_path):
    settings = ssl_settings() | {"normalize": "utterance_mvn", "normalize_conf": {}}
    with pytest.raises(ConfigError, match=r"got:  normalize: UtteranceMVN\n.*normalize: null"):
        EarlyExitASRTask.build_model(make_args(tmp_path, settings))


def test_too_short_and_two_channels(tmp_path):
    encoder = make_ssl_model(tmp_path).encoder
    fewest = encoder.min_feature_frames
    with pytest.raises(DataError, match=f"{fewest - 1} samples\n  want: at least {fewest}"):
        encoder.stem_frames(torch.zeros(1, fewest - 1), torch.tensor([fewest - 1]))
    with pytest.raises(DataError, match="one channel"):
        encoder.stem_frames(torch.zeros(1, 4000, 2), torch.tensor([4000]))


def test_cost_is_counted_per_second_of_samples(tmp_path):
    model, _ = build_ssl_model(tmp_path)
    cost = reference_cost(model, 2.0, 16000)
    assert cost.floor_gflops == model.encoder.stem_flops(32000) / 1e9


def test_the_cost_command(tmp_path, capsys):
    from espnet_ee.bin.main import main

    _, args = build_ssl_model(tmp_path)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(vars(args)))
    assert main(["cost", str(tmp_path / "config.yaml")]) == 0
    assert "counted from the waveform" in capsys.readouterr().out


def test_another_sampling_rate_is_refused(tmp_path):
    settings = ssl_settings() | {"frontend_conf": {"fs": "8k"}}
    with pytest.raises(ConfigError, match=r"(?s)another sampling rate.*8000 Hz.*--fs 16k"):
        EarlyExitASRTask.build_model(make_args(tmp_path, settings))
