"""One file from several servers: whatever happens, it is whole or an error says what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from espnet_ee.data import fetch as fetching
from espnet_ee.data.fetch import NotThere, fetch, size_of
from espnet_ee.errors import DataError

CONTENT = bytes(range(256)) * 4000
MD5 = hashlib.md5(CONTENT).hexdigest()
NOBODY = "http://127.0.0.1:9/a"  # a port where nothing listens


@pytest.fixture
def at(server: Any) -> str:
    server.files["/a"] = CONTENT
    return f"{server.url}/a"


@pytest.mark.parametrize("have", [0, 1000, len(CONTENT)])
def test_it_goes_on_where_it_stopped(at: str, server: Any, tmp_path: Path, have: int) -> None:
    if have:
        (tmp_path / "a.part").write_bytes(CONTENT[:have])
    fetch([at], tmp_path / "a", MD5)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert server.asked == [f"GET /a bytes={have}-" if have else "GET /a"]


def test_dropped_connections_are_taken_up_again(at: str, server: Any, tmp_path: Path) -> None:
    server.faults["/a"] = ["drop"] * (fetching.ROUNDS + 2)  # each brings something: no giving up
    fetch([at], tmp_path / "a", MD5, pause_sec=0.0)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.asked[1] == f"GET /a bytes={len(CONTENT) // 2}-"


@pytest.mark.parametrize("fault", [503, 500, 429])
def test_a_busy_server_is_asked_again_later(
    at: str, server: Any, tmp_path: Path, fault: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    server.faults["/a"] = [fault, fault, fault]
    fetch([at], tmp_path / "a", MD5, pause_sec=1.0)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert pauses == [2.0, 4.0, 8.0]


def test_a_server_that_stays_busy_is_one_clear_error(at: str, server: Any, tmp_path: Path) -> None:
    server.faults["/a"] = ["drop", *[503] * 99]
    with pytest.raises(DataError, match="Download of a failed") as caught:
        fetch([at], tmp_path / "a", MD5, pause_sec=0.0)
    assert f"got:  {at}: HTTP Error 503" in str(caught.value)
    assert f"run the same command again, it goes on from {tmp_path}/a.part" in str(caught.value)
    assert (tmp_path / "a.part").read_bytes() == CONTENT[: len(CONTENT) // 2]
    assert not (tmp_path / "a").exists()


def test_the_next_server_goes_on_where_the_first_broke_off(
    at: str, server: Any, make_server: Callable[[], Any], tmp_path: Path
) -> None:
    other = make_server()
    other.files["/a"] = CONTENT
    server.faults["/a"] = ["drop"]
    fetch([NOBODY, at, f"{other.url}/a"], tmp_path / "a", MD5)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert other.asked == [f"GET /a bytes={len(CONTENT) // 2}-"]


def test_a_corrupt_copy_is_removed_and_the_next_server_asked(
    at: str, server: Any, make_server: Callable[[], Any], tmp_path: Path
) -> None:
    other = make_server()
    other.files["/a"] = CONTENT
    server.files["/a"] = CONTENT[:-1] + b"x"
    fetch([at, f"{other.url}/a"], tmp_path / "a", MD5)
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert other.asked == ["GET /a"]


def test_corrupt_copies_everywhere_leave_nothing(at: str, tmp_path: Path) -> None:
    wrong = "0" * 32
    with pytest.raises(DataError, match=f"checksum is {MD5} instead of {wrong}") as caught:
        fetch([at], tmp_path / "a", wrong)
    assert "fix:  run the same command again; or put the file at" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nobody_has_is_not_asked_for_twice(server: Any, tmp_path: Path) -> None:
    with pytest.raises(NotThere, match=r"No server has a\.") as caught:
        fetch([f"{server.url}/a"], tmp_path / "a")
    assert "HTTP Error 404" in str(caught.value)
    assert server.asked == ["GET /a"]


def test_no_server_at_all_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"got:  {NOBODY}: .*refused"):
        fetch([NOBODY], tmp_path / "a", pause_sec=0.0)


def test_a_server_without_ranges_starts_over(at: str, server: Any, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"xyz")
    server.faults["/a"] = ["no_ranges"]
    fetch([at], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_more_than_the_file_is_no_beginning_of_it(at: str, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT + b"x")
    fetch([at], tmp_path / "a", pause_sec=0.0)
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_full_disk_is_one_clear_error(at: str, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full to stand for a full disk")
    (tmp_path / "a.part").symlink_to(full)
    with pytest.raises(DataError, match=f"Disk full while downloading {tmp_path}/a.part") as caught:
        fetch([at], tmp_path / "a")
    assert "MB free on the disk of" in str(caught.value)
    assert "make the download folder a link to a folder there" in str(caught.value)


def test_sizes_come_from_the_first_server_that_tells(at: str, server: Any) -> None:
    assert size_of([NOBODY, f"{server.url}/none", at]) == len(CONTENT)
    assert size_of([NOBODY]) is None
