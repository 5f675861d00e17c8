"""Any audio file that libsndfile reads -> mono float32 samples at the wanted rate.

Reads wav, flac, ogg, opus, mp3 and uncompressed NIST SPHERE, at any rate and channel count; other
SPHERE files where a program for them is installed. A part of a long recording is read by range.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from espnet_ee.data.sphere import decode_sphere, is_sphere
from espnet_ee.errors import DataError

Samples = npt.NDArray[np.float32]

RATE = 16_000  # Hz
MIN_SEC = 0.025  # one analysis window: less has no frame at all
ROUNDING_SEC = 0.01  # how far a segment may end after its file: Kaldi writes times with two digits
Span = tuple[float, float]  # seconds from the beginning of the file


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


def read_audio(
    path: str | Path, rate: int = RATE, min_sec: float = MIN_SEC, span: Span | None = None
) -> Audio:
    """Read one file, or ``span`` of it, mixed down to one channel and resampled to ``rate``.

    Raises:
        DataError: the file is missing or unreadable, has no samples, has samples that are not
            numbers, is shorter than ``min_sec``, or ends before ``span`` does.
    """
    samples, file_rate = _read(Path(path), span)
    channels = samples.shape[1]
    notes = []
    if channels > 1:
        notes.append(f"{channels} channels mixed down")
    mono: Samples = samples.mean(axis=1, dtype=np.float32)
    _check(mono, _name(path, span), file_rate, min_sec)
    if file_rate != rate:
        mono = resample(mono, file_rate, rate)
        notes.append(f"resampled from {file_rate} to {rate} Hz")
    return Audio(mono, rate, tuple(notes))


def audio_seconds(path: str | Path) -> float:
    """How long a file is; reads its header only, unless the file needs another program.

    Raises:
        DataError: the file is missing or unreadable.
    """
    path = Path(path)
    check_file(path)
    try:
        return float(soundfile.info(path).duration)
    except (soundfile.LibsndfileError, OSError) as error:
        samples, rate = decode_elsewhere(path, error)
        return len(samples) / rate


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


def encode(samples: Samples, rate: int, audio_format: str) -> bytes:
    """A whole 16-bit file in memory, so that a full disk is seen by one plain write."""
    buffer = io.BytesIO()
    soundfile.write(
        buffer, np.clip(samples, -1.0, 1.0), rate, format=audio_format, subtype="PCM_16"
    )
    return buffer.getvalue()


def _read(path: Path, span: Span | None) -> tuple[Samples, int]:
    """``(N, C)`` samples and the rate of the file in Hz."""
    check_file(path)
    try:
        with soundfile.SoundFile(path) as file:
            first, last = _frames(path, span, file.frames, file.samplerate)
            if first:
                file.seek(first)
            samples: Samples = file.read(last - first, dtype="float32", always_2d=True)
            return samples, file.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        samples, rate = decode_elsewhere(path, error)
    first, last = _frames(path, span, len(samples), rate)
    return samples[first:last], rate


def _frames(path: Path, span: Span | None, total: int, rate: int) -> tuple[int, int]:
    """The range of frames that ``span`` is.

    Raises:
        DataError: the file ends before.
    """
    if span is None:
        return 0, total
    start, end = (round(second * rate) for second in span)
    if end > total + ROUNDING_SEC * rate or start >= total:
        raise DataError(
            f"{_name(path, span)} goes beyond the end of the file.",
            got=f"the file is {total / rate:.2f} s long",
            want="segments inside their recordings",
            fix="python -m espnet_ee.data.kaldi --fix DIRECTORY  (drops such segments)",
        )
    return start, min(end, total)


def check_file(path: Path) -> None:
    """Refuse a path that is no file.

    Raises:
        DataError: It is none.
    """
    if not path.is_file():
        kind = "is not a file" if path.exists() else "does not exist"
        raise DataError(f"Audio file {path} {kind}.", fix="check the path")


def decode_elsewhere(path: Path, error: Exception) -> tuple[Samples, int]:
    """What libsndfile failed to read, if it is SPHERE and a program for it is installed.

    Returns:
        ``(N, C)`` samples and the rate in Hz.

    Raises:
        DataError: It is something else, or there is no such program.
    """
    if is_sphere(path):
        return decode_sphere(path)
    raise DataError(
        f"Audio file {path} cannot be read.",
        got=str(error),
        want="wav, flac, ogg, opus, mp3 or SPHERE, whole",
        fix="try to play it, and convert it again",
    ) from None


def _name(path: str | Path, span: Span | None) -> str:
    part = f", {span[0]:.2f} to {span[1]:.2f} s," if span else ""
    return f"Audio file {path}{part}"


def _check(mono: Samples, name: str, rate: int, min_sec: float) -> None:
    if len(mono) == 0:
        raise DataError(f"{name} has zero samples.", fix="record or convert it again")
    bad = int(np.count_nonzero(~np.isfinite(mono)))
    if bad:
        raise DataError(
            f"{name} has samples that are not numbers (NaN or infinite).",
            got=f"{bad} of {len(mono)} samples",
            fix="convert it again, e.g. to 16-bit integers",
        )
    if len(mono) < min_sec * rate:
        raise DataError(
            f"{name} is too short.",
            got=f"{1000 * len(mono) / rate:.1f} ms",
            want=f"at least {1000 * min_sec:.0f} ms",
        )
