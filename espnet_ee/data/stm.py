"""STM transcripts (NIST's segment time marks) as TED-LIUM has them -> turns of clean text.

    AlGore_2009 1 AlGore 17.82 28.81 <o,f0,male> i 'd like to share with you

Texts become those of Kaldi's and ESPnet's TED-LIUM recipes, so that word error rates compare.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

FORM = "FILE CHANNEL SPEAKER START END <LABEL> WORDS"
GAP_SPEAKER = "inter_segment_gap"
IGNORED = "ignore_time_segment_in_scoring"
LABEL = re.compile(r"<(?!unk>|sil>)[^<>]*>")  # <o,f0,male>, or <F0_M> in older releases
VARIANT = re.compile(r"\(\d\)")  # the(2): a pronunciation of the dictionary
UTTERANCE_NAME = re.compile(r"\(\S*\)$")  # at the end of training lines
BRACKETS = str.maketrans("{}<>", "[][]")  # {NOISE} and <unk> as [NOISE] and [unk]


@dataclass(frozen=True)
class Turn:
    """What one line says.

    Attributes:
        recording: name of the audio file without its suffix.
        start_sec: where the turn begins in the recording.
        end_sec: where it ends.
        text: clean words, never empty.
        place: ``file:line``, for messages.
    """

    recording: str
    start_sec: float
    end_sec: float
    text: str
    place: str


class DamagedLine(ValueError):
    """What is wrong with a line."""


def read_stm(path: Path) -> list[Turn]:
    """The turns of one file in its order, without comments, gaps and lines without words.

    Raises:
        DataError: the file is unreadable or has damaged lines; all are named.
    """
    turns, damaged, wordless = [], [], 0
    for number, line in enumerate(_lines(path), 1):
        fields = line.split()
        if not fields or line.startswith(";;"):
            continue
        try:
            if not is_ignored(fields):
                turn = parse_turn(fields, f"{path}:{number}")
                wordless += not turn.text
                turns += [turn] if turn.text else []
        except DamagedLine as error:
            damaged.append(f"{path}:{number}: {error}")
    if damaged:
        more = [f"and {len(damaged) - 10} more lines"] if len(damaged) > 10 else []
        raise DataError(
            f"{damaged[0]}.",
            got="; ".join(damaged[1:10] + more),
            want=FORM,
            fix="unpack the corpus again, or make the line a comment: ;; in front of it",
        )
    if wordless:
        logger.info("%s: %d lines without words left out", path, wordless)
    return turns


def is_ignored(fields: Sequence[str]) -> bool:
    """Whether a line marks time that is not scored, as between the turns of dev and test."""
    return IGNORED in fields[2:] or fields[2:3] == [GAP_SPEAKER]


def parse_turn(fields: Sequence[str], place: str) -> Turn:
    """The turn of a line that is split at blanks.

    Raises:
        DamagedLine: fields are missing, times are no numbers or not in order.
    """
    if len(fields) < 6:
        raise DamagedLine(f"{len(fields)} fields instead of 6 and words")
    recording, _channel, _speaker, start, end, label, *words = fields
    start_sec, end_sec = _seconds(start), _seconds(end)
    if not 0 <= start_sec < end_sec:
        raise DamagedLine(f"times {start} to {end} are not in order")
    if not LABEL.fullmatch(label):
        raise DamagedLine(f"'{label}' where a label like <o,f0,male> should be")
    return Turn(recording, start_sec, end_sec, clean(" ".join(words)), place)


def clean(text: str) -> str:
    """The words as Kaldi's recipe has them; the case stays.

    >>> clean("it 's <unk> you <sil> know(2) (AlGore_2009-17.82-28.81-F0_M-S1)")
    "it's [unk] you know"
    """
    text = UTTERANCE_NAME.sub("", VARIANT.sub("", text).rstrip())
    joined: list[str] = []
    free = False  # whether the last word may take a suffix: one each, as in Kaldi's join_suffix.py
    for word in text.replace("<sil>", " ").split():
        if word.startswith("'") and free:  # TED-LIUM splits it 's, don 't, students '
            joined[-1] += word
            free = False
        else:
            joined.append(word)
            free = True
    return " ".join(joined).translate(BRACKETS)


def _seconds(field: str) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DamagedLine(f"'{field}' where a time in seconds should be")
    return value


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text.", got=str(error), fix="convert it") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read.", got=str(error), want="a transcript") from None
