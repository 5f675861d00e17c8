"""Unpacking: the folder appears whole or not at all."""

from __future__ import annotations

import errno
import io
import tarfile
from pathlib import Path

import pytest

from espnet_ee.data.unpack import unpack
from espnet_ee.errors import DataError

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("Corpus/dev/README", "Corpus/LICENSE"):
            member = tarfile.TarInfo(name)
            member.size = len(CONTENT)
            tar.addfile(member, io.BytesIO(CONTENT))
    return path


def test_it_makes_the_folder_and_nothing_else(archive: Path, tmp_path: Path) -> None:
    leftover = tmp_path / "Corpus/.dev.unpacking"  # of a run that was killed
    leftover.mkdir(parents=True)
    (leftover / "half").touch()
    unpack(archive, tmp_path, tmp_path / "Corpus/dev")
    assert (tmp_path / "Corpus/dev/README").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "Corpus").iterdir()] == ["dev"]


def test_a_damaged_archive_is_removed_and_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(DataError, match="was damaged and has been removed") as caught:
        unpack(archive, tmp_path, tmp_path / "Corpus")
    assert "run the same command again" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_another_archive_is_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not hold Other/dev") as caught:
        unpack(archive, tmp_path, tmp_path / "Other/dev")
    assert "got:  Corpus" in str(caught.value)
    assert not (tmp_path / "Other/dev").exists()


def test_a_full_disk_leaves_the_archive_and_no_folder(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile, "copyfileobj", full)
    with pytest.raises(DataError, match="Disk full while unpacking .*a.tar.gz"):
        unpack(archive, tmp_path, tmp_path / "Corpus/dev")
    assert list((tmp_path / "Corpus").iterdir()) == []
    assert archive.exists()
