"""Splits over jobs: every line once, in order, evenly."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_ee.data.split_keys import split_evenly, write_splits
from espnet_ee.errors import DataError


@pytest.mark.parametrize("items", range(12))
@pytest.mark.parametrize("parts", range(1, 6))
def test_parts_are_even_and_join_to_the_whole(items: int, parts: int) -> None:
    split = split_evenly(range(items), parts)
    assert [item for part in split for item in part] == list(range(items))
    sizes = [len(part) for part in split]
    assert max(sizes) - min(sizes) <= 1
    assert len(split) == parts


def test_files_are_numbered_from_one(tmp_path: Path) -> None:
    (tmp_path / "wav.scp").write_text("a a.wav\nb b.wav\nc c.wav\n")
    write_splits(tmp_path / "wav.scp", f"{tmp_path}/log/keys", 2)
    assert (tmp_path / "log/keys.1.scp").read_text() == "a a.wav\n"
    assert (tmp_path / "log/keys.2.scp").read_text() == "b b.wav\nc c.wav\n"


def test_more_jobs_than_utterances_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "wav.scp").write_text("a a.wav\n")
    with pytest.raises(DataError, match="got:  1 utterances, 2 jobs"):
        write_splits(tmp_path / "wav.scp", f"{tmp_path}/keys", 2)
