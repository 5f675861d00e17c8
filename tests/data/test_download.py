"""Downloads: resumed where they stopped, sized, and unpacked whole or not at all."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from espnet_ee.data.download import download, unpack
from espnet_ee.errors import DataError

CONTENT = bytes(range(256)) * 4000


class RangeHandler(BaseHTTPRequestHandler):
    """Serves CONTENT; ``/short`` breaks off, ``/plain`` knows no ranges."""

    ranges: list[str]

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        type(self).ranges.append(asked)
        start = int(asked[6:-1]) if asked and self.path != "/plain" else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : 9999 if self.path == "/short" else None])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    RangeHandler.ranges = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), RangeHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("have", [0, 1000, len(CONTENT)])
def test_a_download_goes_on_where_it_stopped(url: str, tmp_path: Path, have: int) -> None:
    target = tmp_path / "a.tar.gz"
    if have:
        target.with_name("a.tar.gz.part").write_bytes(CONTENT[:have])
    download(f"{url}/file", target)
    assert target.read_bytes() == CONTENT
    assert RangeHandler.ranges == [f"bytes={have}-" if have else ""]


def test_a_server_without_ranges_starts_over(url: str, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"xyz")
    download(f"{url}/plain", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_a_broken_connection_keeps_the_part(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the same command again, it goes on from"):
        download(f"{url}/short", tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "a.part").read_bytes() == CONTENT[:9999]
    download(f"{url}/file", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_no_server_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Download of http://127\.0\.0\.1:9/a failed"):
        download("http://127.0.0.1:9/a", tmp_path / "a")


def make_archive(path: Path) -> None:
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("an4/README")
        member.size = len(CONTENT)
        tar.addfile(member, io.BytesIO(CONTENT))


def test_unpacking_makes_the_folder(tmp_path: Path) -> None:
    make_archive(tmp_path / "a.tar.gz")
    unpack(tmp_path / "a.tar.gz", tmp_path, tmp_path / "an4")
    assert (tmp_path / "an4/README").read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "an4"]


def test_a_damaged_archive_is_removed_and_leaves_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    make_archive(archive)
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(DataError, match="was damaged and has been removed"):
        unpack(archive, tmp_path, tmp_path / "an4")
    assert list(tmp_path.iterdir()) == []
