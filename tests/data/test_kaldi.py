"""Kaldi directories: what is written is read back sorted, and every mismatch is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_ee.data.kaldi import DataDir, fix_data_dir, read_data_dir, read_table, write_data_dir
from espnet_ee.errors import DataError

SOUND = DataDir(
    {"b-2": "b2.wav", "a-1": "a1.wav", "b-1": "b1.wav"},
    {"b-2": "TWO", "a-1": "", "b-1": "ONE TWO"},
    {"b-2": "b", "a-1": "a", "b-1": "b"},
)


def write_raw(folder: Path, **files: str) -> Path:
    folder.mkdir()
    names = {"wav": "wav.scp", "text": "text", "spk": "utt2spk", "segments": "segments"}
    for key, content in files.items():
        (folder / names[key]).write_text(content)
    return folder


def test_written_directory_is_sorted_and_reads_back_the_same(tmp_path: Path) -> None:
    write_data_dir(tmp_path, SOUND)
    assert read_data_dir(tmp_path) == SOUND
    for name in ("wav.scp", "text", "utt2spk", "spk2utt"):
        lines = (tmp_path / name).read_text().splitlines()
        assert lines == sorted(lines)
    assert (tmp_path / "spk2utt").read_text() == "a a-1\nb b-1 b-2\n"


def test_subset_keeps_the_three_tables_in_step() -> None:
    part = SOUND.subset({"a-1", "b-2"})
    assert all(set(table) == {"a-1", "b-2"} for table in part.tables().values())


def test_id_in_text_but_not_in_wav_scp_is_named(tmp_path: Path) -> None:
    folder = write_raw(tmp_path / "d", wav="a a.wav\n", text="a X\nb Y\n", spk="a s\nb s\n")
    with pytest.raises(DataError, match=r"utterance id in text but not in wav\.scp: b") as caught:
        read_data_dir(folder)
    assert "utterance id in utt2spk but not in wav.scp: b" in str(caught.value)
    assert f"--fix {folder}" in str(caught.value)


def test_fix_keeps_what_all_files_have(tmp_path: Path) -> None:
    folder = write_raw(
        tmp_path / "d",
        wav="c c.wav\na a.wav\nx cat x |\n",
        text="x X\na X\nb Y\nc Z",
        spk="a s\nc s\nx s",
    )
    assert set(fix_data_dir(folder).text) == {"a", "c"}
    assert set(read_data_dir(folder).text) == {"a", "c"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"wav": "", "text": "", "spk": ""}, "is an empty data directory"),
        ({"wav": "a a.wav\n"}, "text, utt2spk missing"),
        ({"wav": "a a.wav\na b.wav", "text": "a X", "spk": "a s"}, "wav.scp:2: a is there twice"),
        (
            {"wav": "a sph2pipe a.sph |", "text": "a X", "spk": "a s"},
            "a command instead of an audio",
        ),
        ({"wav": "a", "text": "a X", "spk": "a s"}, "no audio file in wav.scp: a"),
        ({"wav": "a/b a.wav", "text": "a/b X", "spk": "a/b s"}, "'/' in an utterance id: a/b"),
        (
            {"wav": "r r.wav", "segments": "a q 0 1", "text": "a X", "spk": "a s"},
            "a recording without audio file in segments: a",
        ),
    ],
)
def test_unsound_directories_are_refused(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message.replace("|", r"\|")):
        read_data_dir(write_raw(tmp_path / "d", **files))


def test_text_may_be_separated_by_tabs_and_empty(tmp_path: Path) -> None:
    table = tmp_path / "text"
    table.write_text("a\tONE  TWO \n\nb\n")
    assert read_table(table) == {"a": "ONE  TWO", "b": ""}


def test_a_table_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a \xff\xfe\n")
    with pytest.raises(DataError, match="is not UTF-8"):
        read_table(tmp_path / "text")


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a ONE\u2028TWO\x0cTHREE\nb X\n", encoding="utf-8")
    assert read_table(tmp_path / "text") == {"a": "ONE\u2028TWO\x0cTHREE", "b": "X"}


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        read_table(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path)
