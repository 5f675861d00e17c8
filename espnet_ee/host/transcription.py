"""Audio of any length to one text: cut into pieces, each stopping on its own, and stitched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from espnet_ee.data.audio import Samples, resample
from espnet_ee.data.blocks import Blocks, blocks_of_file, blocks_of_wave
from espnet_ee.data.cutting import CutOptions, Piece, cut
from espnet_ee.decoding.stitching import stitch
from espnet_ee.decoding.words import Word
from espnet_ee.host.recognition import Recognition
from espnet_ee.host.waves import Wave, check_wave

if TYPE_CHECKING:
    from espnet_ee.host.inference import EarlyExitSpeech2Text

POOL_SEC = 960.0  # of audio recognised together: two batches of 16 pieces of the default length

logger = logging.getLogger(__name__)

# Waveforms to one result each, with words and their times.
Recognise = Callable[[list[Samples]], Sequence[Recognition]]


@dataclass(frozen=True)
class TranscribedPiece:
    """What one piece said, all of it, and where it stopped.

    Attributes:
        start_sec: From the beginning of the audio.
        end_sec: Likewise; the next piece begins a little before.
        recognition: Its words count their times from the beginning of the piece.
    """

    start_sec: float
    end_sec: float
    recognition: Recognition


@dataclass(frozen=True)
class Transcript:
    """What audio of any length said.

    Attributes:
        text: Of the whole.
        words: Of the whole, their times counted from the beginning; None where nobody asked.
        pieces: In order; one where nothing was cut.
    """

    text: str
    words: tuple[Word, ...] | None
    pieces: tuple[TranscribedPiece, ...]

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return self.pieces[-1].end_sec

    @property
    def gflops(self) -> float:
        """Cost of all pieces; what two of them share was computed twice."""
        return sum(piece.recognition.gflops for piece in self.pieces)

    @classmethod
    def whole(cls, result: Recognition) -> Transcript:
        """Of audio that was recognised in one piece."""
        piece = TranscribedPiece(0.0, result.seconds, result)
        return cls(result.text, result.words, (piece,))


def transcribe(
    asr: EarlyExitSpeech2Text, source: Wave | str | Path, options: CutOptions, recognise: Recognise
) -> Transcript:
    """Recognise a file or a waveform ``(N,)`` piece by piece.

    Raises:
        DataError: It cannot be read or recognised; the message names the time of a part at fault.
    """
    audio = _open(asr, source)
    seams: list[float] = []
    done: list[TranscribedPiece] = []
    for pool in _pools(cut(audio, options)):
        waves = [_wave(asr, audio, piece) for piece in pool]
        for piece, result in zip(pool, recognise(waves), strict=True):
            done.append(TranscribedPiece(piece.start_sec, piece.end_sec, result))
            seams.append(piece.seam_sec)
        if len(done) > 1:
            logger.info("%s: %d pieces, %.0f s", audio.name, len(done), done[-1].end_sec)
    if len(done) == 1:
        return Transcript.whole(done[0].recognition)
    words = stitch([_words(piece) for piece in done], seams[:-1])
    return Transcript(" ".join(word.text for word in words), tuple(words), tuple(done))


def _open(asr: EarlyExitSpeech2Text, source: Wave | str | Path) -> Blocks:
    if not isinstance(source, (str, Path)):
        check_wave(source, "the waveform", asr.sample_rate, asr.min_samples)
        samples = torch.as_tensor(source, dtype=torch.float32).numpy(force=True)
        return blocks_of_wave(samples, asr.sample_rate, "the waveform")
    audio = blocks_of_file(source)
    if audio.channels > 1:
        logger.info("%s: %d channels mixed down", source, audio.channels)
    if audio.rate != asr.sample_rate:
        logger.info("%s: resampled from %d to %d Hz", source, audio.rate, asr.sample_rate)
    return audio


def _wave(asr: EarlyExitSpeech2Text, audio: Blocks, piece: Piece) -> Samples:
    wave = resample(piece.samples, audio.rate, asr.sample_rate)
    asr.check(wave, f"{audio.name}, {piece.start_sec:.2f} to {piece.end_sec:.2f} s,")
    return wave


def _pools(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """As many pieces at a time as ``POOL_SEC`` hold, one at the least."""
    pool: list[Piece] = []
    seconds = 0.0
    for piece in pieces:
        length = piece.end_sec - piece.start_sec
        if pool and seconds + length > POOL_SEC:
            yield pool
            pool, seconds = [], 0.0
        pool.append(piece)
        seconds += length
    yield pool


def _words(piece: TranscribedPiece) -> list[Word]:
    """Of a piece, their times counted from the beginning of the whole audio."""
    words = piece.recognition.words
    assert words is not None, "pieces are recognised with timestamps"
    return [word.later(piece.start_sec) for word in words]
