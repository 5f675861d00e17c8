"""Stage 3's work: whole files only, resumable, one clear error for bad audio or a full disk."""

from __future__ import annotations

import argparse
import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from espnet_ee.data import files, format_audio
from espnet_ee.data.format_audio import DIARY
from espnet_ee.data.kaldi import read_data_dir, read_table
from espnet_ee.errors import DataError

OPTIONS: dict[str, Any] = {"rate": 16_000, "audio_format": "flac"}


def run(source: Path, target: Path, **options: Any) -> dict[str, int]:
    return format_audio.format_audio(source, target, **(OPTIONS | options))


def count_conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    converted: list[str] = []
    original = format_audio.convert

    def convert(job: format_audio.Job) -> format_audio.Outcome:
        converted.append(job.utt_id)
        return original(job)

    monkeypatch.setattr(format_audio, "convert", convert)
    return converted


def fill_disk_after(monkeypatch: pytest.MonkeyPatch, files_that_fit: int) -> None:
    """The disk takes so many audio files, then a part of the next."""
    written = []
    original = Path.write_bytes

    def write_bytes(path: Path, content: bytes) -> int:
        if path.name.endswith("flac." + path.name.split(".")[-2] + ".tmp"):
            written.append(path)
            if len(written) > files_that_fit:
                original(path, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, "No space left on device")
        return original(path, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)


@pytest.mark.parametrize("audio_format", ["flac", "wav"])
def test_formatted_audio_has_the_samples_of_its_source(
    make_set: Any, tmp_path: Path, audio_format: str
) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    lengths = run(source, target, audio_format=audio_format)
    before, after = read_data_dir(source), read_data_dir(target)
    assert (after.text, after.utt2spk) == (before.text, before.utt2spk)
    for utt_id, path in after.wav_scp.items():
        samples, rate = soundfile.read(path)
        original, _ = soundfile.read(before.wav_scp[utt_id])
        assert rate == 16_000
        assert path.endswith(audio_format)
        assert np.abs(samples - original).max() <= 2**-15
        assert lengths[utt_id] == len(samples)
    table = read_table(target / "utt2num_samples")
    assert {i: int(n) for i, n in table.items()} == lengths


def test_parts_by_several_jobs_are_the_whole(
    make_set: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    expected = run(source, tmp_path / "one")
    soundfile.write(tmp_path / "stereo.wav", np.zeros((8_000, 2)), 16_000)
    wav_scp = source / "wav.scp"
    first, last = (lines := wav_scp.read_text().splitlines())[0].split()[0], lines[-1].split()[0]
    wav_scp.write_text("\n".join([f"{first} {tmp_path}/stereo.wav", *lines[1:]]) + "\n")
    for part in ((2, 3), (3, 3)):
        format_audio.format_part(source, target, part=part, **OPTIONS)
        assert not (target / "wav.scp").exists()
    converted = count_conversions(monkeypatch)
    format_audio.format_part(source, target, part=(1, 3), **OPTIONS)
    assert first in converted and last not in converted
    before = list(converted)
    lengths = run(source, target)
    assert converted == before, "the last call finds everything done"
    assert lengths == expected | {first: 8_000}


def test_notes_of_all_parts_are_counted_in_the_end(
    make_set: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source, target = make_set("data", utterances=2), tmp_path / "dump"
    for path in read_data_dir(source).wav_scp.values():
        soundfile.write(path, np.zeros((8_000, 2)), 16_000)
    caplog.set_level("INFO")
    format_audio.format_part(source, target, part=(2, 2), **OPTIONS)
    run(source, target)
    assert f"{target}: 2 channels mixed down: 2 files" in caplog.text


def test_a_part_leaves_bad_files_to_the_call_that_names_them_all(
    make_set: Any, tmp_path: Path
) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    wavs = read_data_dir(source).wav_scp
    for utt_id in (min(wavs), max(wavs)):
        Path(wavs[utt_id]).write_bytes(b"")
    for number in (1, 2):
        format_audio.format_part(source, target, part=(number, 2), **OPTIONS)
    with pytest.raises(DataError, match="2 audio files are bad"):
        run(source, target)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_part_has_a_number_and_a_total(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="want a part like 1/4"):
        format_audio.part_of(text)


def test_a_second_run_converts_nothing(
    make_set: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    first = run(source, target)
    converted = count_conversions(monkeypatch)
    assert run(source, target) == first
    assert converted == []


def test_only_changed_sources_and_lost_files_are_converted_again(
    make_set: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    run(source, target)
    data = read_data_dir(source)
    changed, lost, *_ = sorted(data.wav_scp)
    soundfile.write(data.wav_scp[changed], np.zeros(7_777), 16_000)
    Path(read_data_dir(target).wav_scp[lost]).unlink()
    converted = count_conversions(monkeypatch)
    assert run(source, target)[changed] == 7_777
    assert converted == [changed, lost]


def test_another_rate_converts_everything_again(make_set: Any, tmp_path: Path) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    first = run(source, target)
    second = run(source, target, rate=8_000)
    assert all(abs(second[i] - first[i] / 2) <= 1 for i in first)


def test_an_interrupted_run_goes_on_and_never_looks_whole(
    make_set: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    original = format_audio.convert

    def interrupted(job: format_audio.Job) -> format_audio.Outcome:
        if job.utt_id == sorted(read_data_dir(source).wav_scp)[3]:
            raise KeyboardInterrupt
        return original(job)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(format_audio, "convert", interrupted)
        run(source, target)
    assert not (target / "wav.scp").exists()
    converted = count_conversions(monkeypatch)
    assert len(run(source, target)) == 5
    assert len(converted) == 2


def test_a_diary_line_cut_short_is_ignored(make_set: Any, tmp_path: Path) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    first = run(source, target)
    diary = target / DIARY
    diary.write_text(diary.read_text()[:-40])
    assert run(source, target) == first


def test_full_disk_gives_one_error_keeps_the_rest_and_resumes(
    make_set: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    with monkeypatch.context() as patch, pytest.raises(DataError, match="Disk full") as caught:
        fill_disk_after(patch, 3)
        run(source, target)
    message = str(caught.value)
    assert message.startswith(f"Disk full while formatting {source}.")
    assert all(part in message for part in ("got:", "MB free", "want:", "fix:", "--dumpdir"))
    assert not (target / "wav.scp").exists()
    assert len(list(target.rglob("*.flac"))) == 3
    assert not list(target.rglob("*.tmp"))
    converted = count_conversions(monkeypatch)
    assert len(run(source, target)) == 5
    assert len(converted) == 2


def test_other_write_errors_are_not_called_a_full_disk(tmp_path: Path) -> None:
    denied = files.disk_error(PermissionError(errno.EACCES, "Permission denied"), "x", tmp_path)
    assert str(denied).startswith("Cannot write while x.")


def test_all_bad_files_are_named_and_good_ones_kept(
    make_set: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_set("data"), tmp_path / "dump"
    wavs = read_data_dir(source).wav_scp
    one, two, *_ = sorted(wavs)
    Path(wavs[one]).unlink()
    soundfile.write(wavs[two], np.zeros(0), 16_000)
    with pytest.raises(DataError, match="2 audio files are bad") as caught:
        run(source, target)
    assert f"{one}: Audio file {wavs[one]} does not exist." in str(caught.value)
    assert f"{two}: Audio file {wavs[two]} has zero samples." in str(caught.value)
    assert not (target / "wav.scp").exists()
    assert len(list(target.rglob("*.flac"))) == 3


def test_speed_shortens_audio_and_loud_audio_is_clipped_not_wrapped(
    make_set: Any, tmp_path: Path
) -> None:
    source, target = make_set("data", utterances=2), tmp_path / "dump"
    fast, loud = sorted(read_data_dir(source).wav_scp)
    (source / "utt2speed").write_text(f"{fast} 2.0\n")
    soundfile.write(read_data_dir(source).wav_scp[loud], np.full(800, 1.5), 16_000, subtype="FLOAT")
    lengths = run(source, target)
    assert lengths[fast] == 1_600
    samples, _ = soundfile.read(read_data_dir(target).wav_scp[loud])
    assert samples.min() > 0.99
