"""Blocks of a file are the file; where it is damaged, the error names the time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import espnet_ee.data.blocks as blocks_module
from espnet_ee.data.audio import read_audio
from espnet_ee.data.blocks import blocks_of_file, blocks_of_wave
from espnet_ee.errors import DataError


def noise(seconds: float, rate: int = 16_000, channels: int = 1) -> np.ndarray:
    draw = np.random.default_rng(0)
    shape = (round(seconds * rate), channels)
    return (0.1 * draw.standard_normal(shape)).astype(np.float32)


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(blocks_module, "BLOCK_SEC", 0.7)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("channels", [1, 2])
def test_blocks_joined_are_the_file(tmp_path: Path, ending: str, channels: int) -> None:
    path = tmp_path / f"a.{ending}"
    soundfile.write(path, noise(3.0, 22_050, channels), 22_050)
    audio = blocks_of_file(path)
    parts = list(audio.blocks)
    assert (audio.rate, audio.channels) == (22_050, channels)
    assert len(parts) >= 5 and max(map(len, parts)) == 13 * 1152  # 0.7 s
    whole = read_audio(path, 22_050).samples
    if ending in ("wav", "flac"):
        assert np.array_equal(np.concatenate(parts), whole)
    else:  # sums of lossy decoders may differ in the last bit
        assert np.allclose(np.concatenate(parts), whole, atol=1e-6)


def test_sphere_files_too(shared_dir: Path) -> None:
    path = next((shared_dir / "data/true_format/TEDLIUM_release-3").rglob("*.sph"))
    whole = read_audio(path).samples
    assert np.array_equal(np.concatenate(list(blocks_of_file(path).blocks)), whole)


def test_a_file_is_read_as_its_blocks_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(3.0), 16_000)
    audio = blocks_of_file(path)
    path.unlink()
    with pytest.raises(soundfile.LibsndfileError):
        next(audio.blocks)


def test_a_waveform() -> None:
    samples = noise(2.0)[:, 0]
    audio = blocks_of_wave(samples, 16_000, "it")
    assert np.array_equal(np.concatenate(list(audio.blocks)), samples)
    assert list(blocks_of_wave(samples[:0], 16_000, "it").blocks) == []


def truncated(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def test_a_flac_file_cut_short_names_where(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(20.0), 16_000)
    with pytest.raises(DataError, match=r"damaged between (8|9)\.\d and (9|10)\.\d s") as error:
        list(blocks_of_file(truncated(path)).blocks)
    assert str(path) in str(error.value)


def test_an_mp3_file_cut_short_ends_too_early(tmp_path: Path, capfd) -> None:
    path = tmp_path / "a.mp3"
    soundfile.write(path, noise(20.0), 16_000)
    with pytest.raises(DataError, match=r"ends too early.\n  got:  9\.\d s\n  want: 20\.0 s"):
        list(blocks_of_file(truncated(path)).blocks)


def test_files_that_are_no_audio(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        blocks_of_file(tmp_path / "none.wav")
    (tmp_path / "a.wav").write_text("not audio at all", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        blocks_of_file(tmp_path / "a.wav")
