"""Words with times as subtitles (SubRip, WebVTT) and as a CTM file.

Subtitles follow the usual limits of the trade: two lines of 42 characters, at most seven seconds.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from espnet_ee.decoding.words import Word

LINE_CHARS = 42
LINES = 2
MAX_SEC = 7.0
MIN_SEC = 1.0  # shown at least, unless the next one comes before
PAUSE_SEC = 1.0  # a longer pause ends a subtitle


@dataclass(frozen=True)
class Cue:
    """One subtitle; times in seconds."""

    start_sec: float
    end_sec: float
    text: str

    @property
    def lines(self) -> str:
        """Broken between words where it is long."""
        return "\n".join(textwrap.wrap(self.text, LINE_CHARS, break_long_words=False))


def cues_of(words: Sequence[Word]) -> list[Cue]:
    """Words in groups that can be read; every word once, in order, no two groups at one time."""
    groups = list(_groups(words))
    starts = [group[0].start_sec for group in groups[1:]]
    cues = []
    for group, following in zip(groups, [*starts, math.inf], strict=False):
        start, end = group[0].start_sec, group[-1].end_sec
        end = max(end, min(start + MIN_SEC, following))
        cues.append(Cue(start, end, " ".join(word.text for word in group)))
    return cues


def srt(words: Sequence[Word]) -> str:
    """A SubRip file: numbers from 1, milliseconds behind a comma."""
    return "".join(
        f"{number}\n{_span(cue, ',')}\n{cue.lines}\n\n"
        for number, cue in enumerate(cues_of(words), start=1)
    )


def vtt(words: Sequence[Word]) -> str:
    """A WebVTT file: a header, milliseconds behind a point, ``&`` and angle brackets escaped."""
    cues = (
        f"\n{_span(cue, '.')}\n{html.escape(cue.lines, quote=False)}\n" for cue in cues_of(words)
    )
    return "WEBVTT\n" + "".join(cues)


def ctm(name: str, words: Sequence[Word]) -> str:
    """Lines ``name channel start duration word confidence``, as Kaldi and sclite read them."""
    return "".join(
        f"{name} 1 {word.start_sec:.3f} {word.end_sec - word.start_sec:.3f} "
        f"{word.text} {word.confidence:.3f}\n"
        for word in words
    )


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and not _fits(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _fits(group: Sequence[Word], word: Word) -> bool:
    text = " ".join(one.text for one in [*group, word])
    lines = textwrap.wrap(text, LINE_CHARS, break_long_words=False)
    paused = word.start_sec - group[-1].end_sec > PAUSE_SEC
    return len(lines) <= LINES and word.end_sec - group[0].start_sec <= MAX_SEC and not paused


def _span(cue: Cue, point: str) -> str:
    return f"{_clock(cue.start_sec, point)} --> {_clock(cue.end_sec, point)}"


def _clock(seconds: float, point: str) -> str:
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    return (
        f"{minutes // 60:02d}:{minutes % 60:02d}:"
        f"{milliseconds // 1000:02d}{point}{milliseconds % 1000:03d}"
    )
