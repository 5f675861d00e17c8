"""Any audio file that libsndfile reads -> mono float32 samples at the wanted rate.

Reads wav, flac, ogg, opus, mp3 and uncompressed NIST SPHERE, at any rate and channel count.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from espnet_ee.errors import DataError

Samples = npt.NDArray[np.float32]

RATE = 16_000  # Hz
MIN_SEC = 0.025  # one analysis window: less has no frame at all


@dataclass(frozen=True)
class Audio:
    """One utterance ready for a model.

    Attributes:
        samples: ``(N,)`` float32, about -1..1.
        rate: in Hz.
        notes: what was done to the file, e.g. ``("2 channels mixed down",)``; empty if nothing.
    """

    samples: Samples
    rate: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def read_audio(path: str | Path, rate: int = RATE, min_sec: float = MIN_SEC) -> Audio:
    """Read one file, mixed down to one channel and resampled to ``rate``.

    Raises:
        DataError: the file is missing or unreadable, has no samples, has samples that are not
            numbers, or is shorter than ``min_sec``.
    """
    samples, file_rate = _read(Path(path))
    channels = samples.shape[1]
    notes = []
    if channels > 1:
        notes.append(f"{channels} channels mixed down")
    mono: Samples = samples.mean(axis=1, dtype=np.float32)
    _check(mono, path, file_rate, min_sec)
    if file_rate != rate:
        mono = resample(mono, file_rate, rate)
        notes.append(f"resampled from {file_rate} to {rate} Hz")
    return Audio(mono, rate, tuple(notes))


def resample(samples: Samples, rate_from: int, rate_to: int, speed: float = 1.0) -> Samples:
    """Change the sampling rate, and with ``speed`` also tempo and pitch as ``sox speed`` does.

    Args:
        samples: ``(N,)``.
        rate_from: in Hz.
        rate_to: in Hz.
        speed: 1.1 plays a tenth faster and higher; the result is ``1 / speed`` as long.

    Returns:
        ``(ceil(N * rate_to / (rate_from * speed)),)`` float32.
    """
    ratio = Fraction(rate_to, rate_from) / Fraction(str(speed))
    if ratio == 1:
        return samples
    from scipy.signal import resample_poly  # half a second to import, often not needed

    changed = resample_poly(samples, ratio.numerator, ratio.denominator)
    return np.asarray(changed, dtype=np.float32)


def parse_rate(text: str) -> int:
    """Sampling rate in Hz from ESPnet's spelling: ``16k`` or ``16000``."""
    return round(float(text.removesuffix("k")) * (1000 if text.endswith("k") else 1))


def _read(path: Path) -> tuple[Samples, int]:
    if not path.is_file():
        kind = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"Audio file {path} {kind}.", fix="check the path")
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(
            f"Audio file {path} cannot be read.",
            got=str(error),
            want="wav, flac, ogg, opus, mp3 or uncompressed SPHERE, whole",
            fix="try to play it; SPHERE with 'shorten' compression needs sph2pipe first",
        ) from None
    return samples, rate


def _check(mono: Samples, path: str | Path, rate: int, min_sec: float) -> None:
    if len(mono) == 0:
        raise DataError(f"Audio file {path} has zero samples.", fix="record or convert it again")
    bad = int(np.count_nonzero(~np.isfinite(mono)))
    if bad:
        raise DataError(
            f"Audio file {path} has samples that are not numbers (NaN or infinite).",
            got=f"{bad} of {len(mono)} samples",
            fix="convert it again, e.g. to 16-bit integers",
        )
    if len(mono) < min_sec * rate:
        raise DataError(
            f"Audio file {path} is too short.",
            got=f"{1000 * len(mono) / rate:.1f} ms",
            want=f"at least {1000 * min_sec:.0f} ms",
        )
