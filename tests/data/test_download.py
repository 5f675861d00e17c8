"""Several archives: checksums of their server, room, faults of one, and nothing half done."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from collections import namedtuple
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from espnet_ee.data import download
from espnet_ee.errors import ConfigError, DataError

PARTS = ("dev-clean", "test-clean")
Usage = namedtuple("Usage", "total used free")


def archive_of(part: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo(f"LibriSpeech/{part}/1/1-1.trans.txt")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"1-1 A"))
    return buffer.getvalue()


@pytest.fixture
def openslr(server: Any) -> Any:
    """A server with both parts and their checksums."""
    server.files = {f"/12/{part}.tar.gz": archive_of(part) for part in PARTS}
    lines = [
        f"{hashlib.md5(content).hexdigest()}  {path.rpartition('/')[2]}\n"
        for path, content in server.files.items()
    ]
    server.files["/12/md5sum.txt"] = "".join(lines).encode()
    return server


@pytest.fixture
def run(openslr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``run(*options, parts=PARTS)`` is the command of the recipe."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    two = ("http://127.0.0.1:9", openslr.url)  # nothing listens at the first

    def call(*options: str, parts: Sequence[str] = PARTS, mirrors: Sequence[str] = two) -> None:
        words = [*(f"12/{part}.tar.gz" for part in parts), str(tmp_path), "--creates"]
        words += [f"{tmp_path}/LibriSpeech/{part}" for part in parts]
        words += ["--mirrors", *mirrors, "--md5sums", "md5sum.txt", *options]
        monkeypatch.setattr(sys, "argv", ["download", *words])
        download.main()

    return call


def unpacked(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("LibriSpeech/*")}


def test_all_parts_are_unpacked_and_archives_stay(run: Any, tmp_path: Path, openslr: Any) -> None:
    run()
    assert unpacked(tmp_path) == set(PARTS)
    assert {path.name for path in tmp_path.iterdir()} == {
        "LibriSpeech",
        *(f"{part}.tar.gz" for part in PARTS),
    }
    openslr.asked.clear()
    run()
    assert openslr.asked == []


def test_archives_go_if_asked(run: Any, tmp_path: Path, openslr: Any) -> None:
    run("--remove_archives", "true")
    assert [path.name for path in tmp_path.iterdir()] == ["LibriSpeech"]
    openslr.asked.clear()
    run("--remove_archives", "true")
    assert openslr.asked == []


def test_a_corrupt_part_does_not_stop_the_others(run: Any, tmp_path: Path, openslr: Any) -> None:
    whole = openslr.files["/12/dev-clean.tar.gz"]
    openslr.files["/12/dev-clean.tar.gz"] = whole + b"x"
    with pytest.raises(DataError, match=r"Download of dev-clean\.tar\.gz failed") as caught:
        run()
    assert "checksum is" in str(caught.value)
    assert unpacked(tmp_path) == {"test-clean"}
    openslr.files["/12/dev-clean.tar.gz"] = whole
    run()
    assert unpacked(tmp_path) == set(PARTS)


def test_errors_of_several_parts_are_all_told(run: Any, openslr: Any) -> None:
    for part in PARTS:
        del openslr.files[f"/12/{part}.tar.gz"]
    with pytest.raises(DataError, match="failed") as caught:
        run()
    assert all(f"{part}.tar.gz: HTTP Error 404" in str(caught.value) for part in PARTS)


def test_a_part_that_the_list_lacks_is_named(run: Any, openslr: Any) -> None:
    with pytest.raises(DataError, match=r"There is no dev-cleen\.tar\.gz") as caught:
        run(parts=("dev-cleen",))
    assert "md5sum.txt lists: dev-clean.tar.gz, test-clean.tar.gz" in str(caught.value)
    assert not any("dev-cleen" in line for line in openslr.asked if line.startswith("GET"))


def test_where_no_checksums_are_published_gzip_has_its_own(
    run: Any, tmp_path: Path, openslr: Any
) -> None:
    del openslr.files["/12/md5sum.txt"]
    openslr.files["/12/dev-clean.tar.gz"] = openslr.files["/12/dev-clean.tar.gz"][:60]
    with pytest.raises(DataError, match="was damaged and has been removed"):
        run(mirrors=(openslr.url,))
    assert unpacked(tmp_path) == {"test-clean"}
    with pytest.raises(DataError, match=r"Download of \.md5sum\.txt failed"):
        run()  # a server that does not answer may have the list


def test_too_little_room_is_said_before_anything_is_loaded(
    run: Any, tmp_path: Path, openslr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(100, 0, 100))
    with pytest.raises(DataError, match="There is not enough room on the disk of") as caught:
        run()
    assert "--remove_archives true" in str(caught.value)
    assert not any(line.startswith("GET") for line in openslr.asked)


def test_an_archive_put_there_by_hand_is_used(run: Any, tmp_path: Path, openslr: Any) -> None:
    (tmp_path / "dev-clean.tar.gz").write_bytes(archive_of("dev-clean"))
    openslr.files.clear()
    run(parts=("dev-clean",))
    assert unpacked(tmp_path) == {"dev-clean"}


def test_one_url_without_checksums_is_enough(
    openslr: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{openslr.url}/12/dev-clean.tar.gz"
    words = ["download", url, str(tmp_path), "--creates", str(tmp_path / "LibriSpeech")]
    monkeypatch.setattr(sys, "argv", words)
    download.main()
    assert unpacked(tmp_path) == {"dev-clean"}
    monkeypatch.setattr(sys, "argv", [words[0], "a.tar.gz", *words[2:]])
    with pytest.raises(ConfigError, match="No server is given"):
        download.main()
