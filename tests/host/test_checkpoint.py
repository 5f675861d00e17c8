"""Checkpoints load strictly, and every way to fail has one clear message."""

from __future__ import annotations

import hashlib

import pytest
import torch
import yaml
from model_factory import TOKENS, make_experiment

from espnet_ee.errors import CheckpointError, ConfigError
from espnet_ee.host.checkpoint import find_checkpoint, load_model, read_states, read_training_config


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("exp"))


@pytest.fixture
def states(exp):
    return torch.load(exp / "valid.cer_ctc.ave.pth", weights_only=True)


def error_of(exp, states, folder):
    torch.save(states, folder / "other.pth")
    with pytest.raises(CheckpointError) as error:
        load_model(exp / "config.yaml", folder / "other.pth")
    return str(error.value)


def test_a_good_one_loads_completely(exp, states):
    loaded = load_model(exp / "config.yaml", exp / "valid.cer_ctc.ave.pth")
    assert not loaded.model.training
    torch.testing.assert_close(dict(loaded.model.state_dict()), dict(states), atol=0, rtol=0)
    bytes_ = (exp / "valid.cer_ctc.ave.pth").read_bytes()
    assert loaded.sha256 == hashlib.sha256(bytes_).hexdigest()


def test_a_training_state_serves_too(exp, states, tmp_path):
    torch.save({"model": states, "optimizers": [], "epoch": 3}, tmp_path / "checkpoint.pth")
    assert read_states(tmp_path / "checkpoint.pth").keys() == states.keys()


def test_missing_and_unexpected_keys_are_listed(exp, states, tmp_path):
    del states["exit_heads.2.linear.bias"]
    states["exit_heads.3.linear.bias"] = torch.zeros(2)
    message = error_of(exp, states, tmp_path)
    assert "other.pth is of another model" in message
    assert "1 missing: exit_heads.2.linear.bias" in message
    assert "1 unexpected: exit_heads.3.linear.bias" in message
    assert "config.yaml that lies beside" in message


def test_many_keys_are_counted_and_the_first_shown(exp, states, tmp_path):
    kept = {key: value for key, value in states.items() if ".encoders.5." not in key}
    message = error_of(exp, kept, tmp_path)
    gone = len(states) - len(kept)
    assert f"{gone} missing: encoder.encoders.5." in message and message.count("encoders.5.") == 6
    assert "; ..." in message


def test_another_vocabulary_names_both_sizes(exp, states, tmp_path):
    for key in [k for k in states if k.startswith(("ctc.ctc_lo", "exit_heads"))]:
        states[key] = torch.cat([states[key], states[key][:3]])
    message = error_of(exp, states, tmp_path)
    size = len(TOKENS)
    assert f"a vocabulary of {size + 3} tokens, the configuration {size}" in message
    assert f"ctc.ctc_lo.weight: ({size + 3}, 16) in the file, ({size}, 16) in the model" in message


@pytest.mark.parametrize("keep", [0, 10, 1000, -1000])
def test_a_truncated_file(keep, exp, tmp_path):
    whole = (exp / "valid.cer_ctc.ave.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[:keep])
    with pytest.raises(CheckpointError, match=r"damaged or was not written(.|\n)*bytes") as error:
        load_model(exp / "config.yaml", tmp_path / "cut.pth")
    assert len(str(error.value).splitlines()) == 3


def test_a_missing_file(exp, tmp_path):
    with pytest.raises(CheckpointError, match=r"no\.pth does not exist"):
        load_model(exp / "config.yaml", tmp_path / "no.pth")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {"model": {"a": "b"}}], ids=str)
def test_a_file_without_weights(content, tmp_path):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match="holds no model weights"):
        read_states(tmp_path / "odd.pth")


def test_the_n_best_average_is_preferred(tmp_path):
    with pytest.raises(CheckpointError, match=r"no checkpoint in(.|\n)*train first"):
        find_checkpoint(tmp_path)
    names = (
        "latest.pth",
        "valid.loss.best.pth",
        "valid.acc.ave.pth",
        "valid.cer_ctc.best.pth",
        "valid.cer_ctc.ave.pth",
    )
    for name in names:
        (tmp_path / name).touch()
        assert find_checkpoint(tmp_path).name == name


def edit(exp, folder, **changes):
    settings = yaml.safe_load((exp / "config.yaml").read_text())
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}))
    return path


def test_a_configuration_that_is_none(exp, tmp_path):
    with pytest.raises(ConfigError, match=r"config\.yaml does not exist"):
        read_training_config(tmp_path / "config.yaml")
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="is not YAML"):
        read_training_config(tmp_path / "config.yaml")
    for text in ("", "encoder: ee_conformer\n"):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"not a training configuration(.|\n)*encoder_conf"):
            read_training_config(tmp_path / "config.yaml")


@pytest.mark.parametrize("text", ["just words\n", "- a\n- b\n"])
def test_a_configuration_that_is_no_mapping(text, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match="not a training configuration"):
        read_training_config(tmp_path / "config.yaml")


def test_wrong_models(exp, tmp_path):
    checkpoint = exp / "valid.cer_ctc.ave.pth"
    with pytest.raises(
        ConfigError, match=r"does not describe an early-exit model(.|\n)*ee_ctc_att"
    ):
        load_model(edit(exp, tmp_path, model="espnet"), checkpoint)
    with pytest.raises(ConfigError, match=r"cannot be built(.|\n)*exit_hed\b"):
        load_model(edit(exp, tmp_path, model_conf={"exit_hed": "linear"}), checkpoint)
    with pytest.raises(ConfigError, match="unknown option encoder_conf.exits"):
        load_model(edit(exp, tmp_path, encoder_conf={"exits": [2]}), checkpoint)
    missing = {"normalize": "global_mvn", "normalize_conf": {"stats_file": "no/feats_stats.npz"}}
    with pytest.raises(ConfigError, match=r"names a file that is not there(.|\n)*feats_stats\.npz"):
        load_model(edit(exp, tmp_path, **missing), checkpoint)


def test_paths_of_the_recipe_hold_from_any_folder(exp, tmp_path, monkeypatch):
    """Training writes them relative to the recipe folder, two levels above the experiment."""
    (tmp_path / "exp/asr").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/bpe.model").touch()
    (tmp_path / "exp/stats.npz").touch()
    config = edit(
        exp,
        tmp_path / "exp/asr",
        bpemodel="data/bpe.model",
        normalize_conf={"stats_file": "exp/stats.npz"},
    )
    monkeypatch.chdir("/")
    args = read_training_config(config)
    assert args.bpemodel == str(tmp_path / "data/bpe.model")
    assert args.normalize_conf["stats_file"] == str(tmp_path / "exp/stats.npz")
