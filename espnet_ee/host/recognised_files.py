"""Files of any length to transcripts: short ones in batches, long ones piece by piece."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from espnet_ee.data.audio import audio_seconds
from espnet_ee.data.cutting import CutOptions
from espnet_ee.errors import DataError
from espnet_ee.host.feeding import POOL, Feeder
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.recognition import Recognition
from espnet_ee.host.transcription import Transcript, transcribe

logger = logging.getLogger(__name__)


def recognise_files(
    asr: EarlyExitSpeech2Text,
    files: Sequence[str],
    recognise: Callable[..., Iterable[Recognition]],
    cut: CutOptions,
    timestamps: bool,
    in_order: bool = False,
) -> tuple[dict[int, Transcript], dict[int, DataError]]:
    """Recognise files; one that cannot be read is set aside, with an error in the log.

    Args:
        asr: The model.
        files: Paths; one that is named twice is recognised twice.
        recognise: ``asr`` with its policy and threshold, or a stream; takes ``timestamps``.
        cut: What is longer than ``max_sec`` is cut.
        timestamps: Whether transcripts of files that were not cut have words with times too.
        in_order: A batch at a time in the order of ``files``, for who learns from one to the next;
            long files come behind them.

    Returns:
        Transcripts and errors by the place in ``files``.
    """
    long = {place for place, path in enumerate(files) if _is_longer(path, cut.max_sec)}
    short = {str(place): path for place, path in enumerate(files) if place not in long}
    feeder = Feeder(asr, short, 1 if in_order else POOL, in_order=in_order)
    done: dict[int, Transcript] = {}
    for pool in feeder:
        results = recognise([fed.samples for fed in pool], timestamps=timestamps)
        for fed, result in zip(pool, results, strict=True):
            done[int(fed.utt_id)] = Transcript.whole(result)
    failures = {int(utt_id): error for utt_id, error in feeder.failures.items()}
    for place in sorted(long):
        try:
            found = transcribe(
                asr, files[place], cut, lambda waves: list(recognise(waves, timestamps=True))
            )
        except DataError as error:
            logger.error("%s", error)
            failures[place] = error
        else:
            done[place] = found if timestamps else replace(found, words=None)
    return done, failures


def _is_longer(path: str, seconds: float) -> bool:
    """By the header; False of what cannot be opened, whose error comes when it is read."""
    try:
        return seconds < math.inf and audio_seconds(path) > seconds
    except DataError:
        return False
