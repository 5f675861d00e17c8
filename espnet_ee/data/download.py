"""Download a .tar.gz, resumably and with its size checked, and unpack it.

For example ``python -m espnet_ee.data.download URL downloads --creates downloads/corpus``.
"""

from __future__ import annotations

import argparse
import gzip
import logging
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from http import HTTPStatus
from pathlib import Path
from typing import Any

from espnet_ee.data.command import run_command
from espnet_ee.data.files import disk_error
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

BLOCK = 1 << 20  # bytes; a line in the log every LOG_BLOCKS of them
LOG_BLOCKS = 16
TIMEOUT_SEC = 60.0


def download(url: str, target: Path) -> None:
    """Fetch ``url`` into ``target``; an interrupted download goes on from ``target.part``.

    Raises:
        DataError: no connection, or the size is not what the server said.
    """
    part = target.with_name(f"{target.name}.part")
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SEC) as response:
            resumed = response.status == HTTPStatus.PARTIAL_CONTENT
            size = _copy(response, part, have if resumed else 0)
    except urllib.error.HTTPError as error:
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _failed(url, part, str(error)) from None
        size = int(error.headers["Content-Range"].rpartition("/")[2])
    except OSError as error:
        raise _failed(url, part, str(error)) from None
    got = part.stat().st_size
    if got != size:
        raise _failed(url, part, f"{got} of {size} bytes")
    part.replace(target)


def unpack(archive: Path, folder: Path, creates: Path) -> None:
    """Unpack ``archive`` so that ``creates`` appears only when it is whole.

    Raises:
        DataError: the archive is damaged or does not hold ``creates``, or the disk is full.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpack") as work:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(work, filter="data")
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            archive.unlink()
            raise DataError(
                f"{archive} was damaged and has been removed.",
                got=str(error),
                fix="run the same command again",
            ) from None
        except OSError as error:
            raise disk_error(error, f"unpacking {archive}", folder) from None
        inside = Path(work) / creates.relative_to(folder)
        if not inside.exists():
            raise DataError(f"{archive} does not hold {creates.relative_to(folder)}.")
        shutil.move(inside, creates)


def _copy(response: Any, part: Path, have: int) -> int:
    """Append the body to ``part`` from byte ``have`` on; return the size the whole should have."""
    size = have + int(response.headers["Content-Length"])
    with part.open("ab" if have else "wb") as stream:
        for number, block in enumerate(iter(lambda: response.read(BLOCK), b"")):
            stream.write(block)
            if number % LOG_BLOCKS == 0:
                logger.info("%s: %.0f of %.0f MB", part, stream.tell() / 1e6, size / 1e6)
    return size


def _failed(url: str, part: Path, reason: str) -> DataError:
    return DataError(
        f"Download of {url} failed.",
        got=reason,
        fix=f"run the same command again, it goes on from {part}; or fetch the file yourself",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Download and unpack an archive.")
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--creates", type=Path, required=True, help="skip if this exists")
    args = parser.parse_args()
    if args.creates.exists():
        logger.info("%s is there already", args.creates)
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    archive = args.folder / args.url.rpartition("/")[2]
    if not archive.exists():
        download(args.url, archive)
    unpack(archive, args.folder, args.creates)


if __name__ == "__main__":
    run_command(main)
