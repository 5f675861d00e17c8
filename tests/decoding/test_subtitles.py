"""Subtitles and CTM files are valid, readable and complete."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest

from espnet_ee.decoding.subtitles import MAX_SEC, ctm, cues_of, srt, vtt
from espnet_ee.decoding.words import Word

SRT_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d),(\d{3})"
VTT_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})"


def speech(seed: int, count: int = 80) -> list[Word]:
    draw = random.Random(seed)
    words, now = [], draw.uniform(0.0, 5000.0)
    for _ in range(count):
        now += draw.choice([0.0, 0.1, 0.3, 2.5])
        end = now + draw.uniform(0.04, 0.9)
        words.append(Word("".join(draw.choices("ABCDE", k=draw.randint(1, 12))), now, end, 0.5))
        now = end
    return words


def parse(text: str, pattern: str) -> list[tuple[float, float, list[str]]]:
    """Start, end and lines of each subtitle; fails on anything that is not well formed."""
    found = []
    for block in text.strip("\n").split("\n\n"):
        times, *lines = block.split("\n")
        match = re.fullmatch(f"{pattern} --> {pattern}", times)
        assert match and lines
        numbers = [int(number) for number in match.groups()]
        start, end = (
            3600 * h + 60 * m + s + ms / 1000 for h, m, s, ms in (numbers[:4], numbers[4:])
        )
        found.append((start, end, lines))
    return found


@pytest.mark.parametrize("seed", range(30))
def test_subtitles_hold_every_word_once_and_can_be_read(seed):
    words = speech(seed)
    cues = cues_of(words)
    assert " ".join(cue.text for cue in cues).split() == [word.text for word in words]
    assert all(cue.start_sec < cue.end_sec <= cue.start_sec + MAX_SEC for cue in cues)
    assert all(a.end_sec <= b.start_sec for a, b in pairwise(cues))
    for cue in cues:
        lines = cue.lines.split("\n")
        assert len(lines) <= 2 and all(len(line) <= 42 for line in lines)


def test_a_pause_ends_a_subtitle_and_short_ones_stay_for_a_second():
    words = [Word("A", 0.0, 0.1, 1.0), Word("B", 1.0, 1.2, 1.0), Word("C", 2.3, 2.4, 1.0)]
    assert [(cue.start_sec, cue.end_sec, cue.text) for cue in cues_of(words)] == [
        (0.0, 1.2, "A B"),
        (2.3, 3.3, "C"),
    ]
    close = [Word("A" * 42, 0.0, 0.1, 1.0), Word("B" * 42, 0.2, 0.3, 1.0), Word("C", 0.4, 5.0, 1.0)]
    assert [cue.end_sec for cue in cues_of(close)] == [0.4, 5.0]


@pytest.mark.parametrize("seed", range(5))
def test_srt(seed):
    words = speech(seed)
    text = srt(words)
    blocks = text.strip("\n").split("\n\n")
    numbers = [int(block.split("\n")[0]) for block in blocks]
    assert numbers == list(range(1, len(blocks) + 1))
    assert text.endswith("\n\n")
    cues = parse("\n\n".join(block.split("\n", 1)[1] for block in blocks), SRT_TIME)
    assert " ".join(line for *_, lines in cues for line in lines).split() == [
        word.text for word in words
    ]
    assert all(a < b for a, b, _ in cues)


def test_vtt():
    words = speech(1)
    header, _, body = vtt(words).partition("\n\n")
    assert header == "WEBVTT"
    cues = parse(body, VTT_TIME)
    assert len(cues) == len(cues_of(words))
    assert cues[0][0] == pytest.approx(words[0].start_sec, abs=6e-4)


def test_vtt_escapes_what_it_would_read_as_markup():
    assert "&lt;unk&gt; A&amp;B" in vtt([Word("<unk>", 0, 1, 1.0), Word("A&B", 1, 2, 1.0)])


def test_ctm_has_kaldis_columns():
    words = speech(2)
    rows = [line.split(" ") for line in ctm("talk_1", words).splitlines()]
    assert len(rows) == len(words)
    for row, word in zip(rows, words, strict=True):
        name, channel, start, duration, text, confidence = row
        assert (name, channel, text) == ("talk_1", "1", word.text)
        assert float(start) == pytest.approx(word.start_sec, abs=6e-4)
        assert float(duration) == pytest.approx(word.end_sec - word.start_sec, abs=6e-4)
        assert 0.0 <= float(confidence) <= 1.0


@pytest.mark.parametrize(
    ("seconds", "clock"),
    [(59.9996, "00:01:00,000"), (3599.9999, "01:00:00,000"), (366_000.5, "101:40:00,500")],
)
def test_clocks_round_up_into_the_next_minute_and_hour(seconds, clock):
    assert f"{clock} --> " in srt([Word("A", seconds, seconds + 2, 1.0)])


def test_nothing_said():
    assert srt([]) == "" and vtt([]) == "WEBVTT\n" and ctm("a", []) == "" and cues_of([]) == []
