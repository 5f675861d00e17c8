"""Audio files: any rate and channel count becomes mono at one rate; bad files are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_ee.data.audio import Samples, parse_rate, read_audio, resample
from espnet_ee.errors import DataError


def tone(hertz: float, seconds: float, rate: int) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def loudest_hertz(samples: Samples, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax() * rate / len(samples))


def test_16_khz_mono_is_untouched(tmp_path: Path) -> None:
    samples = tone(440, 0.5, 16_000)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    audio = read_audio(tmp_path / "a.wav")
    assert np.array_equal(audio.samples, samples)
    assert (audio.notes, audio.rate, audio.seconds) == ((), 16_000, 0.5)
    assert audio.samples.dtype == np.float32


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_pitch_and_length_survive_resampling(tmp_path: Path, rate: int, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, tone(440, 1.0, rate), rate)
    audio = read_audio(path)
    assert audio.seconds == pytest.approx(1.0, abs=0.01)
    assert loudest_hertz(audio.samples, 16_000) == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(audio.samples**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.03)
    assert audio.notes == (f"resampled from {rate} to 16000 Hz",)


def test_opus_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.opus"
    soundfile.write(path, tone(440, 1.0, 16_000), 16_000, format="OGG", subtype="OPUS")
    assert loudest_hertz(read_audio(path).samples, 16_000) == pytest.approx(440, abs=2)


def test_channels_are_averaged_and_said(tmp_path: Path) -> None:
    left, right = tone(440, 0.5, 44_100), tone(880, 0.5, 44_100)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 44_100, subtype="FLOAT")
    audio = read_audio(tmp_path / "a.wav", rate=44_100)
    assert np.allclose(audio.samples, (left + right) / 2, atol=1e-6)
    assert audio.notes == ("2 channels mixed down",)
    both = read_audio(tmp_path / "a.wav").notes
    assert both == ("2 channels mixed down", "resampled from 44100 to 16000 Hz")


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_changes_length_and_pitch_as_sox_does(speed: float) -> None:
    samples = tone(1000, 1.0, 16_000)
    changed = resample(samples, 16_000, 16_000, speed)
    assert len(changed) == pytest.approx(16_000 / speed, abs=1)
    assert loudest_hertz(changed, 16_000) == pytest.approx(1000 * speed, abs=3)
    assert changed.dtype == np.float32


def test_speed_one_changes_nothing() -> None:
    samples = tone(1000, 0.1, 16_000)
    assert resample(samples, 16_000, 16_000, 1.0) is samples


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "has zero samples"),
        (np.zeros(80, np.float32), "is too short"),
        (np.array([0.0] * 999 + [np.nan], np.float32), "samples that are not numbers"),
        (np.array([0.0] * 999 + [np.inf], np.float32), "got:  1 of 1000 samples"),
    ],
)
def test_bad_samples_are_refused(tmp_path: Path, samples: Samples, message: str) -> None:
    path = tmp_path / "bad.wav"
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    with pytest.raises(DataError, match=message) as caught:
        read_audio(path)
    assert str(path) in str(caught.value)


def test_five_milliseconds_are_stated(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(80), 16_000)
    with pytest.raises(DataError, match=r"got:  5\.0 ms\n  want: at least 25 ms"):
        read_audio(tmp_path / "a.wav")


def test_missing_folder_and_text_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_audio(tmp_path / "none.wav")
    with pytest.raises(DataError, match="is not a file"):
        read_audio(tmp_path)
    (tmp_path / "a.wav").write_text("not audio at all")
    with pytest.raises(DataError, match="cannot be read"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize(("text", "rate"), [("16k", 16_000), ("8000", 8_000), ("22.05k", 22_050)])
def test_rates_are_spelt_as_in_espnet(text: str, rate: int) -> None:
    assert parse_rate(text) == rate
