"""Stage 4's work: what is too long, too short or without text is left out, and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_ee.data.filter_lengths import filter_lengths
from espnet_ee.data.kaldi import DataDir, read_data_dir, read_table, write_data_dir
from espnet_ee.errors import DataError

SECONDS = {"a": 0.1, "b": 0.2, "c": 1.0, "d": 5.0, "e": 1.0}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    data = DataDir(
        {i: f"{i}.flac" for i in SECONDS},
        {i: "" if i == "e" else "X" for i in SECONDS},
        dict.fromkeys(SECONDS, "s"),
    )
    write_data_dir(tmp_path / "org", data)
    lines = [f"{i} {round(seconds * 16_000)}\n" for i, seconds in SECONDS.items()]
    (tmp_path / "org" / "utt2num_samples").write_text("".join(lines))
    return tmp_path / "org"


def test_bounds_are_exclusive_and_empty_texts_go(source: Path, tmp_path: Path) -> None:
    assert filter_lengths(source, tmp_path / "new", 16_000, 0.1, 5.0) == 2
    assert set(read_data_dir(tmp_path / "new").wav_scp) == {"b", "c"}
    assert set(read_table(tmp_path / "new" / "utt2num_samples")) == {"b", "c"}


def test_nothing_left_is_an_error_that_states_the_lengths(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"got:  0\.10 to 5\.00 seconds, 4 with text") as caught:
        filter_lengths(source, tmp_path / "new", 16_000, 10.0, 20.0)
    assert "--min_wav_duration" in str(caught.value)
    assert not (tmp_path / "new").exists()
