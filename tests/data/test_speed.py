"""Speed perturbation: one copy per factor, with ids and speakers of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_ee.data import speed
from espnet_ee.data.kaldi import DataDir, read_data_dir, write_data_dir
from espnet_ee.errors import ConfigError

DATA = DataDir({"s-1": "1.wav", "s-2": "2.wav"}, {"s-1": "X", "s-2": "Y"}, {"s-1": "s", "s-2": "s"})


def test_every_factor_adds_a_copy_with_its_own_speakers() -> None:
    perturbed, speeds = speed.perturb(DATA, ["0.9", "1.0", "1.1"])
    assert len(perturbed.wav_scp) == 6
    assert perturbed.text["sp0.9-s-2"] == "Y"
    assert perturbed.wav_scp["sp1.1-s-1"] == "1.wav"
    assert set(perturbed.speakers()) == {"s", "sp0.9-s", "sp1.1-s"}
    assert speeds["s-1"] == "1.0"
    assert speeds["sp1.1-s-2"] == "1.1"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["speed", *arguments])
    speed.main()


def test_command_writes_a_sound_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "train", tmp_path / "train_sp"
    write_data_dir(source, DATA)
    run(monkeypatch, str(source), str(target), "--factors", "0.9 1.0")
    assert set(read_data_dir(target).text) == set(speed.read_speeds(target))
    assert speed.read_speeds(target)["sp0.9-s-1"] == 0.9
    assert speed.read_speeds(source) == {}


@pytest.mark.parametrize("factors", ["fast", "0.9 0.90", "9 10 11", ""])
def test_senseless_factors_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factors: str
) -> None:
    write_data_dir(tmp_path / "train", DATA)
    with pytest.raises(ConfigError, match="want: different numbers in 0.5..2.0"):
        run(monkeypatch, str(tmp_path / "train"), str(tmp_path / "sp"), "--factors", factors)
