"""Writing files so that a half-written one never passes for whole, and telling files apart."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from espnet_ee.errors import DataError

FULL = (errno.ENOSPC, errno.EDQUOT)


def write_bytes_atomic(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path`` and rename it into place; leave nothing behind on failure.

    Raises:
        OSError: the disk is full or the folder is not writable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_lines_atomic(path: Path, lines: Iterable[str]) -> None:
    """Write lines as UTF-8; ``path`` appears only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(path, "".join(f"{line}\n" for line in lines).encode())


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_and_sum(path: Path) -> str:
    """Folder, file and the beginning of its checksum, for records."""
    name = f"{path.resolve().parent.name}/{path.name}"
    return f"{name}, SHA-256 {sha256_of(path)[:8]}" if path.exists() else name


def disk_error(
    error: OSError, doing: str, folder: Path, another_disk: str = "--dumpdir"
) -> DataError:
    """Turn an error of the file system into one a user can act on.

    Args:
        error: what the system said.
        doing: e.g. ``unpacking a.tar.gz``.
        folder: where was written.
        another_disk: how the user moves ``folder`` to another disk.
    """
    if error.errno not in FULL:
        return DataError(f"Cannot write while {doing}.", got=str(error), fix=f"check {folder}")
    status = os.statvfs(next(p for p in (folder, *folder.absolute().parents) if p.exists()))
    free_mb = status.f_bavail * status.f_frsize / 1e6
    return DataError(
        f"Disk full while {doing}.",
        got=f"{free_mb:.0f} MB free on the disk of {folder}",
        want="room for the rest; everything finished so far is kept",
        fix=f"free some space, or choose another disk ({another_disk}), "
        "and run the same command again",
    )
