"""What describes a model: configurations before and after training, experiments, packed ones."""

from __future__ import annotations

import shutil
import zipfile

import pytest
import torch
import yaml
from model_factory import TOKENS, make_experiment, make_settings

from espnet_ee.errors import CheckpointError, ConfigError
from espnet_ee.heads import num_parameters
from espnet_ee.host.described import described_model
from espnet_ee.measured import RANDOM_WEIGHTS

NO_TOKENS = {"token_list": None, "token_type": "bpe"}


@pytest.fixture
def exp(tmp_path):
    return make_experiment(tmp_path / "exp")


def write(path, settings):
    path.write_text(yaml.safe_dump(settings))
    return path


def options(tmp_path, **changes):
    """A configuration as people write it: ``--token_list`` comes with the recipe."""
    settings = make_settings(**changes)
    for name in ("token_list", "token_type", "bpemodel", "normalize", "normalize_conf"):
        del settings[name]
    return write(tmp_path / "train.yaml", settings)


def test_before_and_after_training_it_is_the_same_model(exp, tmp_path):
    loaded = [
        described_model(options(tmp_path), TOKENS),
        described_model(exp),
        described_model(exp / "config.yaml"),
        described_model(exp, weights=True),
    ]
    assert len({num_parameters(one.model) for one in loaded}) == 1
    assert [one.sha256 == RANDOM_WEIGHTS for one in loaded] == [True, True, True, False]
    states = torch.load(exp / "valid.cer_ctc.ave.pth")
    torch.testing.assert_close(
        loaded[-1].model.state_dict()["ctc.ctc_lo.bias"], states["ctc.ctc_lo.bias"]
    )


def test_an_experiment_without_a_checkpoint_has_random_weights(exp):
    (exp / "valid.cer_ctc.ave.pth").unlink()
    assert described_model(exp, weights=True).sha256 == RANDOM_WEIGHTS


def test_files_that_no_cost_depends_on_need_not_be_there(exp):
    settings = yaml.safe_load((exp / "config.yaml").read_text())
    gone = {"normalize": "global_mvn", "normalize_conf": {"stats_file": "gone.npz"}}
    write(exp / "config.yaml", settings | gone | {"bpemodel": "gone.model", "token_type": "bpe"})
    assert described_model(exp).model.encoder.exit_layers == (2, 4, 6)


def test_a_packed_model(exp, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    meta = {
        "yaml_files": {"asr_train_config": "exp/config.yaml"},
        "files": {"asr_model_file": "exp/valid.cer_ctc.ave.pth"},
    }
    archive = tmp_path / "model.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("meta.yaml", yaml.safe_dump(meta))
        for name in ("config.yaml", "valid.cer_ctc.ave.pth"):
            packed.write(exp / name, f"exp/{name}")
    assert described_model(archive, weights=True).sha256 != RANDOM_WEIGHTS
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "folder")
    assert described_model(tmp_path / "folder").sha256 == RANDOM_WEIGHTS


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encoder": "ee_confomer"}, "ee_confomer"),
        ({"encoder": "conformer"}, "ConformerEncoder"),
        ({"model": "espnet"}, "does not describe an early-exit model"),
        ({"encodr": "ee_conformer"}, "keys that no option reads"),
        ({"encoder_conf": {"exit_layers": [14]}}, r"exit_layers is \[14\] outside 1..6"),
        ({"encoder_conf": {"exit_layer": [1]}}, "exit_layer"),
        ({"max_epoch": "many"}, "wrong value(.|\n)*max_epoch"),
    ],
)
def test_a_wrong_configuration(changes, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        described_model(options(tmp_path, **changes), TOKENS)


def test_what_describes_no_model(tmp_path, exp):
    with pytest.raises(ConfigError, match=r"(?s)there is no .*gone.yaml.*want: .*packed model"):
        described_model(tmp_path / "gone.yaml")
    with pytest.raises(ConfigError, match=r"(?s)no token list.*fix: .*--vocab-size 500"):
        described_model(options(tmp_path))
    with pytest.raises(ConfigError, match="has a token list of its own"):
        described_model(exp, TOKENS)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="config.yaml does not exist"):
        described_model(tmp_path / "empty")
    shutil.make_archive(str(tmp_path / "foreign"), "zip", tmp_path / "empty")
    with pytest.raises(CheckpointError, match="is not a packed model"):
        described_model(tmp_path / "foreign.zip")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match=r"list.yaml"):
        described_model(tmp_path / "list.yaml", TOKENS)
