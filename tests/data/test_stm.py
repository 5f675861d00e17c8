"""STM lines: what they say, what is left out, and which line is damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from espnet_ee.data.stm import clean, read_stm
from espnet_ee.errors import DataError

HEADER = ';;\n;; LABEL "o" "Overall" "Overall results"\n'
GOOD = "Ann_2009 1 Ann 17.82 28.81 <o,f0,female> i 'd like to share\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "Ann_2009.stm"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("it 's here", "it's here"),
        ("don 't", "don't"),
        ("you 're sure we 'd 've", "you're sure we'd 've"),
        ("the students ' work", "the students' work"),
        ("'cause i say so", "'cause i say so"),
        ("O'Neill Keeps his Case", "O'Neill Keeps his Case"),
        ("a <unk> word", "a [unk] word"),
        ("<unk> 's", "[unk]'s"),
        ("{NOISE} and {BREATH}", "[NOISE] and [BREATH]"),
        ("so <sil> then", "so then"),
        ("the(2) record(3)", "the record"),
        ("the end (Ann_2009-17.82-28.81-F0_F-S1)", "the end"),
        ("the(2) (Ann_2009-17.82-28.81-F0_F-S1) ", "the"),
        ("<sil>", ""),
        ("", ""),
    ],
)
def test_texts_are_those_of_kaldis_recipe(said: str, text: str) -> None:
    assert clean(said) == text


def test_comments_gaps_and_unscored_times_are_left_out(tmp_path: Path) -> None:
    gap = "Ann_2009 1 inter_segment_gap 0 17.82 <o,,unknown> ignore_time_segment_in_scoring\n"
    other = "Ann_2009 1 Ann 28.81 30 <o,f0,female> ignore_time_segment_in_scoring\n"
    empty_gap = "Ann_2009 1 inter_segment_gap 5 5 <o,,unknown>\n"
    (turn,) = read_stm(write(tmp_path, f"{HEADER}{gap}{GOOD}\n{other}{empty_gap}"))
    assert (turn.recording, turn.start_sec, turn.end_sec) == ("Ann_2009", 17.82, 28.81)
    assert turn.text == "i'd like to share"
    assert turn.place == f"{tmp_path}/Ann_2009.stm:4"


@pytest.mark.parametrize("label", ["<o,f0,male>", "<F0_M>", "<o,,unknown>", "<NA>"])
def test_any_label_is_dropped(tmp_path: Path, label: str) -> None:
    (turn,) = read_stm(write(tmp_path, f"Ann_2009 1 Ann 1 2 {label} yes\r\n"))
    assert turn.text == "yes"


def test_turns_without_words_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    turns = read_stm(write(tmp_path, f"{GOOD}Ann_2009 1 Ann 30 31 <o,f0,female> <sil>\n"))
    assert len(turns) == 1
    assert "Ann_2009.stm: 1 lines without words left out" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Ann_2009 1 Ann 17.82", "4 fields instead of 6 and words"),
        ("Ann_2009 1 Ann x 28.81 <o,f0,female> yes", "'x' where a time in seconds should be"),
        ("Ann_2009 1 Ann 1 inf <o,f0,female> yes", "'inf' where a time in seconds should be"),
        ("Ann_2009 1 Ann 5 4.5 <o,f0,female> yes", "times 5 to 4.5 are not in order"),
        ("Ann_2009 1 Ann 5 5 <o,f0,female> yes", "times 5 to 5 are not in order"),
        ("Ann_2009 1 Ann -1 5 <o,f0,female> yes", "times -1 to 5 are not in order"),
        ("Ann_2009 1 Ann 1 5 yes no", "'yes' where a label like <o,f0,male> should be"),
        ("Ann_2009 1 Ann 1 5 <unk> no", "'<unk>' where a label like <o,f0,male> should be"),
    ],
)
def test_damaged_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, f"{HEADER}{GOOD}{line}\n")
    with pytest.raises(DataError) as caught:
        read_stm(path)
    assert str(caught.value).startswith(f"{path}:4: {message}.\n  want: FILE CHANNEL")
    assert ";; in front of it" in str(caught.value)


def test_all_damaged_lines_are_one_error(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "broken\n" * 12)
    with pytest.raises(DataError, match=r":2: 1 fields .*") as caught:
        read_stm(path)
    assert f"{path}:11: 1 fields instead of 6 and words; and 2 more lines" in str(caught.value)


def test_files_that_are_no_text_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not UTF-8"):
        read_stm(write(tmp_path, b"Ann \xff\xfe"))
    with pytest.raises(DataError, match="cannot be read"):
        read_stm(tmp_path)
