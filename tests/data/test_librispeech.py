"""LibriSpeech's layout: speakers from ids, and every mismatch named."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_ee.data.librispeech import read_part, read_parts
from espnet_ee.errors import DataError


def make_part(root: Path, suffix: str = ".flac") -> Path:
    for speaker, chapter in (("19", "198"), ("26", "495"), ("26", "496")):
        folder = root / speaker / chapter
        folder.mkdir(parents=True)
        ids = [f"{speaker}-{chapter}-000{n}" for n in range(2)]
        (folder / f"{speaker}-{chapter}.trans.txt").write_text("".join(f"{i} HELLO\n" for i in ids))
        for utt_id in ids:
            (folder / f"{utt_id}{suffix}").touch()
    return root


@pytest.mark.parametrize("suffix", [".flac", ".opus", ".ogg", ".wav"])
def test_speakers_not_chapters(tmp_path: Path, suffix: str) -> None:
    data = read_part(make_part(tmp_path, suffix))
    assert {speaker: len(ids) for speaker, ids in data.speakers().items()} == {"19": 2, "26": 4}
    assert data.wav_scp["26-496-0001"].endswith(f"26/496/26-496-0001{suffix}")


def test_mismatches_are_named(tmp_path: Path) -> None:
    part = make_part(tmp_path)
    (part / "19/198/19-198-0000.flac").unlink()
    (part / "19/198/19-198-0007.flac").touch()
    with pytest.raises(DataError, match="transcripts without audio: 19-198-0000") as caught:
        read_part(part)
    assert "1 audio files without transcript: 19-198-0007" in str(caught.value)


def test_parts_are_joined_and_never_twice(tmp_path: Path) -> None:
    part, other = make_part(tmp_path / "clean"), tmp_path / "other/7/1"
    other.mkdir(parents=True)
    (other / "7-1.trans.txt").write_text("7-1-0000 BYE\n")
    (other / "7-1-0000.flac").touch()
    data = read_parts([part, tmp_path / "other"])
    assert len(data.text) == 7
    assert data.text["7-1-0000"] == "BYE"
    with pytest.raises(DataError, match="utterances are in another part, too") as caught:
        read_parts([part, tmp_path / "other", part])
    assert "19-198-0000" in str(caught.value)


def test_a_folder_without_transcripts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no transcripts"):
        read_part(tmp_path)


def test_real_corpus_in_this_layout(shared_dir: Path) -> None:
    data = read_part(shared_dir / "data/librispeech_mini/LibriSpeech/dev-clean-2")
    assert len(data.text) == 96
    assert set(data.speakers()) == {"1737", "32", "7312", "669"}
