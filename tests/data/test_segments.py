"""Segments of recordings: checked, copied for speeds, and cut by range when audio is formatted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from espnet_ee.data import audio, format_audio, speed
from espnet_ee.data.audio import Samples, read_audio
from espnet_ee.data.kaldi import DataDir, fix_data_dir, read_data_dir, write_data_dir
from espnet_ee.data.segments import Segment, parse_segment
from espnet_ee.errors import DataError

RATE = 16_000
SEGMENTS = {
    "a-1": Segment("a", 0.1, 0.5),
    "a-2": Segment("a", 0.4, 1.0),  # overlaps
    "b-1": Segment("b", 0.0, 0.25),
}


@pytest.fixture
def recordings(tmp_path: Path) -> dict[str, Samples]:
    """a.sph and b.flac of seeded noise, a second each."""
    noise = np.random.default_rng(0)
    made = {}
    for name, suffix, kind in (("a", "sph", "NIST"), ("b", "flac", "FLAC")):
        samples = (0.1 * noise.standard_normal(RATE)).astype(np.float32)
        path = tmp_path / f"{name}.{suffix}"
        soundfile.write(path, samples, RATE, format=kind, subtype="PCM_16")
        made[name], _ = soundfile.read(path, dtype="float32")
    return made


@pytest.fixture
def data(tmp_path: Path, recordings: dict[str, Samples]) -> Path:
    files = {"a": f"{tmp_path}/a.sph", "b": f"{tmp_path}/b.flac"}
    text, speakers = dict.fromkeys(SEGMENTS, "ONE"), {i: i[0] for i in SEGMENTS}
    write_data_dir(tmp_path / "data", DataDir(files, text, speakers, SEGMENTS))
    return tmp_path / "data"


def run(source: Path, target: Path, **options: Any) -> dict[str, int]:
    defaults: dict[str, Any] = {"rate": RATE, "audio_format": "flac"}
    return format_audio.format_audio(source, target, **(defaults | options))


def test_written_segments_read_back(data: Path) -> None:
    assert (data / "segments").read_text().split("\n")[0] == "a-1 a 0.100 0.500"
    assert read_data_dir(data, open_audio=True).segments == SEGMENTS
    plain = DataDir({"x": "x.wav"}, {"x": "ONE"}, {"x": "s"})
    write_data_dir(data, plain)
    assert read_data_dir(data) == plain


def test_subset_keeps_the_recordings_it_needs(data: Path) -> None:
    part = read_data_dir(data).subset({"b-1"})
    assert (set(part.wav_scp), set(part.text), set(part.segments)) == ({"b"}, {"b-1"}, {"b-1"})


@pytest.mark.parametrize("text", ["", "a 0", "a 0 1 2", "a zero 1", "a 0 nan", "a 0 inf"])
def test_lines_that_describe_no_segment(text: str) -> None:
    assert parse_segment(text) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a-1 a 0.1", "not 'RECORDING START END' in segments: a-1"),
        ("a-1 c 0.1 0.5", "a recording without audio file in segments: a-1"),
        ("a-1 a 0.5 0.5", "times in segments that are not 0 <= START < END: a-1"),
        ("a-1 a -0.1 0.5", "times in segments that are not 0 <= START < END: a-1"),
        ("a-1 a 0.5 1.02", "a segment that ends after its recording: a-1"),
        ("a-9 a 0.1 0.5", "utterance id in segments but not in text: a-9"),
    ],
)
def test_bad_segments_are_named_and_dropped_by_fix(data: Path, line: str, message: str) -> None:
    rest = [f"{i} {SEGMENTS[i]}" for i in ("a-2", "b-1")]
    (data / "segments").write_text("\n".join([line, *rest]) + "\n")
    with pytest.raises(DataError) as caught:
        read_data_dir(data, open_audio=True)
    assert message in str(caught.value)
    assert "the same utterance ids in segments, text and utt2spk" in str(caught.value)
    assert set(fix_data_dir(data).text) == {"a-2", "b-1"}
    assert set(read_data_dir(data, open_audio=True).segments) == {"a-2", "b-1"}


def test_no_line_in_segments_is_an_empty_directory(data: Path) -> None:
    (data / "segments").write_text("")
    with pytest.raises(DataError, match=r"no line in segments"):
        read_data_dir(data)


def test_ends_are_looked_at_only_when_asked(data: Path) -> None:
    (data / "segments").write_text((data / "segments").read_text().replace("1.000", "9.000"))
    assert read_data_dir(data).segments["a-2"].end_sec == 9.0


def test_speeds_share_recordings(data: Path) -> None:
    perturbed, speeds = speed.perturb(read_data_dir(data), ["0.9", "1.0"])
    assert set(perturbed.wav_scp) == {"a", "b"}
    assert perturbed.segments["sp0.9-a-1"] == perturbed.segments["a-1"] == SEGMENTS["a-1"]
    assert perturbed.utt2spk["sp0.9-a-1"] == "sp0.9-a"
    assert speeds == {f"{p}{i}": f for p, f in (("sp0.9-", "0.9"), ("", "1.0")) for i in SEGMENTS}


def test_segments_are_cut_to_the_sample(
    data: Path, tmp_path: Path, recordings: dict[str, Samples]
) -> None:
    lengths = run(data, tmp_path / "dump")
    assert lengths == {"a-1": 6_400, "a-2": 9_600, "b-1": 4_000}
    formatted = read_data_dir(tmp_path / "dump")
    assert formatted.segments == {}
    for utt_id, segment in SEGMENTS.items():
        first, last = (round(second * RATE) for second in segment.span)
        samples, _ = soundfile.read(formatted.wav_scp[utt_id], dtype="float32")
        assert np.array_equal(samples, recordings[segment.recording][first:last])


def test_speed_applies_to_the_segment(data: Path, tmp_path: Path) -> None:
    (data / "utt2speed").write_text("a-1 2.0\n")
    assert run(data, tmp_path / "dump")["a-1"] == 3_200


def test_only_a_changed_segment_is_cut_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(data, tmp_path / "dump")
    (data / "segments").write_text((data / "segments").read_text().replace("0.500", "0.600"))
    cut = []
    original = format_audio.convert
    monkeypatch.setattr(
        format_audio, "convert", lambda job: cut.append(job.utt_id) or original(job)
    )
    assert run(data, tmp_path / "dump") == {"a-1": 8_000, "a-2": 9_600, "b-1": 4_000}
    assert cut == ["a-1"]


def test_a_segment_beyond_the_end_is_one_error_with_its_times(data: Path, tmp_path: Path) -> None:
    (data / "segments").write_text((data / "segments").read_text().replace("1.000", "1.500"))
    with pytest.raises(DataError, match="1 audio files are bad") as caught:
        run(data, tmp_path / "dump")
    assert f"a-2: Audio file {tmp_path}/a.sph, 0.40 to 1.50 s, goes beyond" in str(caught.value)
    assert "got:  the file is 1.00 s long" in str(caught.value)


def test_a_segment_is_read_by_range(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = []
    original = soundfile.SoundFile.read

    def read(file: soundfile.SoundFile, count: int, **options: Any) -> Samples:
        frames.append(count)
        return original(file, count, **options)

    monkeypatch.setattr(audio.soundfile.SoundFile, "read", read)
    assert read_audio(tmp_path / "a.sph", span=(0.1, 0.5)).seconds == 0.4
    assert frames == [6_400]


def test_times_rounded_beyond_the_end_by_kaldi_are_cut(data: Path, tmp_path: Path) -> None:
    assert read_audio(tmp_path / "a.sph", span=(0.5, 1.005)).seconds == 0.5
    with pytest.raises(DataError, match=r"a\.sph, 0\.50 to 0\.51 s, is too short"):
        read_audio(tmp_path / "a.sph", span=(0.5, 0.51))


def damage_header(path: Path, old: bytes, new: bytes) -> Path:
    """libsndfile's headers are 1024 bytes, the rest is samples."""
    whole = path.read_bytes()
    assert old in whole[:1024]
    path.write_bytes(whole[:1024].replace(old, new)[:1024].ljust(1024) + whole[1024:])
    return path


def write_program(folder: Path, name: str, script: str) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    (folder / f"bin/{name}").write_text(f"#!/bin/sh\necho run >> {folder}/runs\n{script}\n")
    (folder / f"bin/{name}").chmod(0o755)


SHORTEN = (b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-shorten-v2.00")


def test_compressed_sphere_is_decoded_once_by_sph2pipe(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordings: dict[str, Samples]
) -> None:
    soundfile.write(tmp_path / "plain.wav", recordings["a"], RATE)
    damage_header(tmp_path / "a.sph", *SHORTEN)
    write_program(tmp_path, "sph2pipe", f'[ "$*" = "-f wav -p {tmp_path}/a.sph" ] && cat plain.wav')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    assert set(read_data_dir(data, open_audio=True).text) == set(SEGMENTS)
    assert run(data, tmp_path / "dump") == {"a-1": 6_400, "a-2": 9_600, "b-1": 4_000}
    samples = read_audio(tmp_path / "a.sph", span=(0.1, 0.5)).samples
    assert np.array_equal(samples, recordings["a"][1_600:8_000])
    assert (tmp_path / "runs").read_text() == "run\n"


def test_sphere_that_nobody_decodes_says_what_to_install(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damage_header(tmp_path / "a.sph", *SHORTEN)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(DataError, match=r"a\.sph cannot be decoded") as caught:
        read_audio(path)
    assert "sph2pipe is not installed; sox is not installed" in str(caught.value)
    assert "fix:  install sph2pipe" in str(caught.value)
    write_program(tmp_path, "sph2pipe", "echo first >&2; echo bad header >&2; exit 3")
    write_program(tmp_path, "sox", f"/bin/cat {tmp_path}/b.flac; exit 4")
    with pytest.raises(DataError, match="sph2pipe says 'bad header'; sox stopped with exit code 4"):
        read_audio(path)


def test_sox_reads_headers_that_libsndfile_refuses(
    data: Path, tmp_path: Path, recordings: dict[str, Samples]
) -> None:
    if shutil.which("sox") is None:
        pytest.skip("sox is not installed")
    path = damage_header(
        tmp_path / "a.sph", b"sample_byte_format -s2 01", b"sample_byte_format -s5 01   "
    )
    assert np.array_equal(read_audio(path, span=(0.5, 1.0)).samples, recordings["a"][8_000:])
