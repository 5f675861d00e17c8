"""Models by name: a folder, a zip of ESPnet's packer, a hub's tag."""

from __future__ import annotations

import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
from model_factory import N_MELS, make_experiment, make_waves

from espnet_ee.card import CardOptions
from espnet_ee.errors import CheckpointError, ConfigError
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.publish import write_folder

STATISTICS = "exp/stats/feats_stats.npz"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """The experiment, and its zip made from inside the recipe's folder, as stage 14 does."""
    from espnet2.bin.pack import main as pack

    recipe = tmp_path_factory.mktemp("recipe")
    (recipe / "exp/stats").mkdir(parents=True)
    np.savez(recipe / STATISTICS, count=9, sum=np.zeros(N_MELS), sum_square=9 * np.ones(N_MELS))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(recipe)
        conf = {"stats_file": STATISTICS}
        exp = make_experiment(Path("exp/asr"), normalize="global_mvn", normalize_conf=conf)
        files = ("--asr_train_config", str(exp / "config.yaml"))
        files += ("--asr_model_file", str(exp / "valid.cer_ctc.ave.pth"))
        pack(["asr", *files, "--option", STATISTICS, "--outpath", "asr.zip"])
    return recipe / "exp/asr", recipe / "asr.zip"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/espnet_ee"


def test_a_zip_is_the_folder_it_was_made_of(packed, cache, tmp_path, monkeypatch):
    folder, archive = packed
    monkeypatch.chdir(tmp_path)
    wave = make_waves([16000])[0]
    wanted = EarlyExitSpeech2Text.from_exp(folder)(wave, "entropy", -1.0)
    assert EarlyExitSpeech2Text.from_pretrained(folder)(wave, "entropy", -1.0) == wanted
    assert EarlyExitSpeech2Text.from_pretrained(archive)(wave, "entropy", -1.0) == wanted
    [unpacked] = cache.iterdir()
    times = {path: path.stat().st_mtime_ns for path in unpacked.rglob("*")}
    EarlyExitSpeech2Text.from_pretrained(str(archive))
    assert {path: path.stat().st_mtime_ns for path in unpacked.rglob("*")} == times


def test_the_folder_of_a_hub_is_a_model(packed, tmp_path):
    """As ``espnet-ee upload`` writes it and a hub's client gets it."""
    write_folder(packed[1], tmp_path / "model", CardOptions("me/model", "cc-by-4.0", "en"))
    assert EarlyExitSpeech2Text.from_pretrained(tmp_path / "model").exit_layers == (2, 4, 6)


def test_espnet_reads_the_zip_too(packed, tmp_path):
    from espnet2.main_funcs.pack_funcs import unpack

    files = unpack(packed[1], tmp_path / "by_espnet")
    assert EarlyExitSpeech2Text.from_exp(
        Path(files["asr_train_config"]).parent, files["asr_model_file"]
    ).exit_layers == (2, 4, 6)


@pytest.mark.parametrize("kept", ["nothing", "half", "no model"])
def test_a_damaged_archive_is_one_error_and_leaves_nothing(packed, cache, tmp_path, kept):
    broken = tmp_path / "broken.zip"
    whole = packed[1].read_bytes()
    if kept == "no model":
        with zipfile.ZipFile(packed[1]) as old, zipfile.ZipFile(broken, "w") as new:
            for name in old.namelist():
                if not name.endswith(".pth"):
                    new.writestr(name, old.read(name))
    else:
        broken.write_bytes(whole[: len(whole) // 2] if kept == "half" else b"")
    with pytest.raises(CheckpointError, match=r"broken\.zip is not a packed model"):
        EarlyExitSpeech2Text.from_pretrained(broken)
    assert not list(cache.glob("*"))


def test_a_name_that_is_nowhere(monkeypatch):
    monkeypatch.setitem(sys.modules, "espnet_model_zoo", None)
    monkeypatch.setitem(sys.modules, "espnet_model_zoo.downloader", None)
    with pytest.raises(ConfigError, match=r"there is no user/model(.|\n)*hub"):
        EarlyExitSpeech2Text.from_pretrained("user/model")


def test_a_tag_goes_to_espnets_downloader(packed, monkeypatch):
    folder = packed[0]

    class ModelDownloader:
        def download_and_unpack(self, tag):
            if tag != "user/model":
                raise OSError("404")
            paths = {"asr_train_config": "config.yaml", "asr_model_file": "valid.cer_ctc.ave.pth"}
            return {key: str(folder / name) for key, name in paths.items()}

    module = types.SimpleNamespace(ModelDownloader=ModelDownloader)
    monkeypatch.setitem(sys.modules, "espnet_model_zoo", types.ModuleType("espnet_model_zoo"))
    monkeypatch.setitem(sys.modules, "espnet_model_zoo.downloader", module)
    assert EarlyExitSpeech2Text.from_pretrained("user/model").exit_layers == (2, 4, 6)
    with pytest.raises(ConfigError, match=r"user/other is neither here nor on the hub(.|\n)*404"):
        EarlyExitSpeech2Text.from_pretrained("user/other")
