"""NIST SPHERE files that libsndfile cannot read, by sph2pipe or sox if one is installed.

libsndfile reads uncompressed SPHERE (TED-LIUM 3, AN4) itself; "shorten" compression needs sph2pipe.
"""

from __future__ import annotations

import io
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from espnet_ee.errors import DataError

MAGIC = b"NIST_1A\n"
# Both write a WAV file to stdout; -p makes 16-bit PCM of any coding.
DECODERS = {"sph2pipe": ("-f", "wav", "-p", "{}"), "sox": ("{}", "-t", "wav", "-b", "16", "-")}


def is_sphere(path: Path) -> bool:
    """Whether the file begins as SPHERE files do, whatever its name."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def decode_sphere(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """All samples ``(N, C)`` and the rate in Hz; the last recording is kept for its next segment.

    Raises:
        DataError: no decoder is installed, or none can read the file.
    """
    status = path.stat()
    return _decode(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1)  # segments come sorted by recording
def _decode(path: Path, _size: int, _mtime_ns: int) -> tuple[npt.NDArray[np.float32], int]:
    complaints = []
    for name, arguments in DECODERS.items():
        program = shutil.which(name)
        if program is None:
            complaints.append(f"{name} is not installed")
            continue
        command = [program, *(part.format(path) for part in arguments)]
        done = subprocess.run(command, capture_output=True, check=False)
        try:
            samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            complaints.append(f"{name} says '{said or f'exit code {done.returncode}'}'")
            continue
        if done.returncode == 0:
            return samples, rate
        complaints.append(f"{name} stopped with exit code {done.returncode}")
    raise DataError(
        f"SPHERE file {path} cannot be decoded.",
        got=f"libsndfile does not read its coding; {'; '.join(complaints)}",
        want="uncompressed SPHERE, or a program that decodes it",
        fix="install sph2pipe (for 'shorten' compression), or convert the file to wav or flac",
    )
