"""Kaldi's ``segments``: utterances that are parts of recordings, ``utterance recording start end``.

Times are in seconds. Segments may overlap; the audio is cut when it is formatted (stage 3).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from espnet_ee.data.audio import ROUNDING_SEC, audio_seconds


@dataclass(frozen=True)
class Segment:
    """Where in which recording an utterance is; ``str`` is its line in ``segments`` without the id.

    Attributes:
        recording: a key of ``wav.scp``.
        start_sec: from the beginning of the recording.
        end_sec: likewise.
    """

    recording: str
    start_sec: float
    end_sec: float

    def __str__(self) -> str:
        return f"{self.recording} {self.start_sec:.3f} {self.end_sec:.3f}"

    @property
    def span(self) -> tuple[float, float]:
        return self.start_sec, self.end_sec

    @property
    def seconds(self) -> float:
        return self.end_sec - self.start_sec


def parse_segment(text: str) -> Segment | None:
    """The segment that ``recording start end`` describes; None if it describes none."""
    try:
        recording, start, end = text.split()
        segment = Segment(recording, float(start), float(end))
    except ValueError:
        return None
    return segment if all(map(math.isfinite, segment.span)) else None


def parse_segments(table: Mapping[str, str]) -> dict[str, Segment]:
    """Utterance id -> segment, for every line that describes one."""
    return {i: segment for i, line in table.items() if (segment := parse_segment(line))}


def segment_problems(table: Mapping[str, str], recordings: Collection[str]) -> dict[str, list[str]]:
    """Problem -> ids of the utterances that have it, from the lines of ``segments``."""
    segments = parse_segments(table)
    return {
        "not 'RECORDING START END' in segments": [i for i in table if i not in segments],
        "a recording without audio file in segments": [
            i for i, segment in segments.items() if segment.recording not in recordings
        ],
        "times in segments that are not 0 <= START < END": [
            i for i, segment in segments.items() if not 0 <= segment.start_sec < segment.end_sec
        ],
    }


def beyond_end(segments: Mapping[str, Segment], wav_scp: Mapping[str, str]) -> list[str]:
    """Ids of the segments that end after their recording; reads the header of each recording.

    Raises:
        DataError: a recording is missing or unreadable.
    """
    used = {segment.recording for segment in segments.values()} & wav_scp.keys()
    seconds = {recording: audio_seconds(wav_scp[recording]) for recording in sorted(used)}
    return [
        utt_id
        for utt_id, segment in segments.items()
        if segment.end_sec > seconds.get(segment.recording, math.inf) + ROUNDING_SEC
    ]
