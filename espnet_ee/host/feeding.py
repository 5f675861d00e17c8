"""Audio files to batches of waveforms; a bad file is set aside and the others go on."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import soundfile

from espnet_ee.batching import length_sorted_batches
from espnet_ee.data.audio import Samples, read_audio
from espnet_ee.errors import DataError
from espnet_ee.host.inference import MAX_PADDED_SEC, EarlyExitSpeech2Text
from espnet_ee.progress import with_progress

logger = logging.getLogger(__name__)

# Batches that are recognised together: what early exits leave of them goes on in full batches.
POOL = 8


@dataclass(frozen=True)
class FedUtterance:
    """One readable utterance."""

    utt_id: str
    samples: Samples


class Feeder:
    """Reads files in order of their length, or in theirs, some batches of them at a time.

    Args:
        asr: Will recognise them.
        paths: Utterance id to file.
        pool: Batches at a time.
        done: Utterances that need no more decoding. Batches are formed with them and left out where
            they have nothing else, so that what is decoded has the company it would always have.
        in_order: Batches are in the order of ``paths``, for who learns from one to the next.

    Attributes:
        failures: Utterance id to error, filled while iterating.
    """

    def __init__(
        self,
        asr: EarlyExitSpeech2Text,
        paths: Mapping[str, str],
        pool: int = 1,
        done: Collection[str] = frozenset(),
        in_order: bool = False,
    ) -> None:
        self._asr, self._paths, self._pool, self._done = asr, dict(paths), pool, done
        self._in_order = in_order
        self.failures: dict[str, DataError] = {}

    def __iter__(self) -> Iterator[list[FedUtterance]]:
        return with_progress(self._batches(), len(self._paths), "utterances")

    def _batches(self) -> Iterator[list[FedUtterance]]:
        ids = list(self._paths)
        if self._in_order:
            size = self._asr.batch_size
            batches = [
                list(range(first, min(first + size, len(ids))))
                for first in range(0, len(ids), size)
            ]
        else:
            seconds = [_seconds(self._paths[utt_id]) for utt_id in ids]
            batches = length_sorted_batches(seconds, self._asr.batch_size, MAX_PADDED_SEC)
        batches = [batch for batch in batches if any(ids[i] not in self._done for i in batch)]
        for first in range(0, len(batches), self._pool):
            places = itertools.chain(*batches[first : first + self._pool])
            yield [fed for place in places if (fed := self._read(ids[place])) is not None]

    def _read(self, utt_id: str) -> FedUtterance | None:
        path = self._paths[utt_id]
        try:
            rate = self._asr.sample_rate
            audio = read_audio(path, rate, self._asr.min_samples / rate)
            self._asr.check(audio.samples, path)
        except DataError as error:
            self.failures[utt_id] = error
            logger.error("%s", error)
            return None
        if audio.notes:
            logger.info("%s: %s", path, ", ".join(audio.notes))
        return FedUtterance(utt_id, audio.samples)


def _seconds(path: str) -> float:
    """Length from the header; 0 for what cannot be opened, whose error comes when it is read."""
    try:
        return float(soundfile.info(str(Path(path))).duration)
    except (soundfile.LibsndfileError, OSError):
        return 0.0
