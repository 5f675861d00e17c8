"""Unpack an archive so that a half-unpacked one never passes for whole."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from pathlib import Path

from espnet_ee.data.fetch import ANOTHER_DISK
from espnet_ee.data.files import disk_error
from espnet_ee.errors import DataError


def unpack(archive: Path, folder: Path, creates: Path) -> None:
    """Unpack as if into ``folder``; ``creates``, a path in the archive, appears when it is whole.

    Raises:
        DataError: the archive is damaged (it is removed) or does not hold ``creates``, or the disk
            is full (the archive stays).
    """
    work = creates.with_name(f".{creates.name}.unpacking")
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    try:
        work.mkdir(parents=True)
        with tarfile.open(archive) as tar:
            tar.extractall(work, filter="data")
        inside = work / creates.relative_to(folder)
        if not inside.exists():
            raise DataError(
                f"{archive} does not hold {creates.relative_to(folder)}.",
                got=", ".join(sorted(path.name for path in work.iterdir())) or "nothing",
                fix=f"remove {archive} and run the same command again",
            )
        os.sync()  # a power failure may not leave the name without the content
        inside.rename(creates)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        archive.unlink()
        raise DataError(
            f"{archive} was damaged and has been removed.",
            got=str(error),
            fix="run the same command again",
        ) from None
    except OSError as error:
        raise disk_error(error, f"unpacking {archive}", folder, ANOTHER_DISK) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
