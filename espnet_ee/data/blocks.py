"""Long audio in blocks, so that hours of it need the memory of seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from espnet_ee.data.audio import Samples, check_file, decode_elsewhere
from espnet_ee.errors import DataError

BLOCK_SEC = 10.0
MPEG_FRAME = 1152  # samples, or twice a frame: libsndfile garbles mp3 that is read in other steps
SHORT_SEC = 1.0  # how much earlier than its header says a file may end: compressed ones round


@dataclass(frozen=True)
class Blocks:
    """One channel of audio, a block at a time.

    Attributes:
        name: Of the source, for messages.
        rate: In Hz, the source's own.
        blocks: ``(N,)`` float32 each, read when asked for, once.
        channels: Of the source; several are mixed down.
    """

    name: str
    rate: int
    blocks: Iterator[Samples]
    channels: int = 1


def blocks_of_wave(samples: Samples, rate: int, name: str) -> Blocks:
    """``(N,)`` samples in memory."""
    step = _step(rate)
    return Blocks(name, rate, (samples[at : at + step] for at in range(0, len(samples), step)))


def blocks_of_file(path: str | Path) -> Blocks:
    """An audio file.

    Its blocks end in a DataError where the file is damaged, or ends a second and more before its
    header says; the message names the time. A wav file that was cut short ends where it ends:
    libsndfile corrects its header.

    Raises:
        DataError: The file is missing or no audio.
    """
    path = Path(path)
    check_file(path)
    name = f"Audio file {path}"
    try:
        info = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError) as error:
        samples, rate = decode_elsewhere(path, error)
        whole = blocks_of_wave(_mono(samples), rate, name)
        return Blocks(name, rate, whole.blocks, samples.shape[1])
    return Blocks(name, info.samplerate, _read(path, name), info.channels)


def _read(path: Path, name: str) -> Iterator[Samples]:
    with soundfile.SoundFile(path) as file:
        rate, total, done = file.samplerate, file.frames, 0
        while True:
            try:
                block = file.read(_step(rate), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                intact = done / rate
                raise DataError(
                    f"{name} is damaged between {intact:.1f} and {intact + BLOCK_SEC:.1f} s.",
                    got=str(error),
                    fix="copy or convert it again",
                ) from error
            if not len(block):
                break
            done += len(block)
            yield _mono(block)
    if done < total - SHORT_SEC * rate:
        raise DataError(
            f"{name} ends too early.",
            got=f"{done / rate:.1f} s",
            want=f"{total / rate:.1f} s, as its header says",
            fix="copy or convert it again",
        )


def _step(rate: int) -> int:
    """Samples of a block."""
    return MPEG_FRAME * max(1, round(BLOCK_SEC * rate / MPEG_FRAME))


def _mono(samples: Samples) -> Samples:
    """``(N, C)`` to ``(N,)``, as ``read_audio`` mixes."""
    mixed: Samples = samples.mean(axis=1, dtype=np.float32)
    return mixed
