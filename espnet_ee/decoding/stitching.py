"""Texts of overlapping pieces to one text: no word twice, none lost.

Both pieces hear what they share. What they say of the same moment is one thing and comes from one
of them: from the earlier piece where its middle is before the seam, else from the later one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from espnet_ee.decoding.words import Word

# Times of a word differ a little between pieces, and CTC labels are shorter than words.
SAME_MOMENT_SEC = 0.1  # between middles, at most, of whatever is said at one moment
SAME_WORD_SEC = 0.25  # likewise, if both pieces say the same
SHARED = 0.5  # of the shorter of two words, at least, if middles are further apart


def stitch(pieces: Sequence[Sequence[Word]], seams_sec: Sequence[float]) -> list[Word]:
    """Words of all pieces, each once, in order of time.

    Args:
        pieces: Words of each piece, their times counted from the beginning of the whole audio.
        seams_sec: Where the next piece takes over, one less than pieces.
    """
    kept = [list(words) for words in pieces]
    for place, seam in enumerate(seams_sec):
        kept[place], kept[place + 1] = _divide(kept[place], kept[place + 1], seam)
    return _in_order([word for words in kept for word in words])


@dataclass(eq=False)
class _Moment:
    """What the earlier and the later piece say of one moment."""

    said: tuple[list[Word], list[Word]] = field(default_factory=lambda: ([], []))

    @property
    def end_sec(self) -> float:
        return max(word.end_sec for words in self.said for word in words)

    @property
    def middle_sec(self) -> float:
        return (min(word.start_sec for words in self.said for word in words) + self.end_sec) / 2

    def shares(self, word: Word, side: int) -> bool:
        return any(_same_moment(word, other) for other in self.said[1 - side])


def _divide(left: list[Word], right: list[Word], seam: float) -> tuple[list[Word], list[Word]]:
    kept: tuple[list[Word], list[Word]] = ([], [])
    for moment in _moments(left, right):
        side = 0 if moment.middle_sec < seam else 1
        kept[side].extend(moment.said[side])
    for words in kept:
        words.sort(key=lambda word: word.start_sec)
    return kept


def _moments(left: list[Word], right: list[Word]) -> list[_Moment]:
    """Words that share their time, directly or through others, together."""
    closed: list[_Moment] = []
    open_: list[_Moment] = []
    both = [(word, 0) for word in left] + [(word, 1) for word in right]
    for word, side in sorted(both, key=lambda pair: pair[0].start_sec):
        gone = [m for m in open_ if m.end_sec + SAME_WORD_SEC < word.start_sec]
        closed += gone
        open_ = [m for m in open_ if m not in gone]
        shared = [m for m in open_ if m.shares(word, side)]
        moment = _Moment()
        moment.said[side].append(word)
        for other in shared:
            open_.remove(other)
            for mine, theirs in zip(moment.said, other.said, strict=True):
                mine += theirs
        open_.append(moment)
    return closed + open_


def _same_moment(one: Word, other: Word) -> bool:
    apart = abs(one.middle_sec - other.middle_sec)
    if apart <= (SAME_WORD_SEC if one.text == other.text else SAME_MOMENT_SEC):
        return True
    both = min(one.end_sec, other.end_sec) - max(one.start_sec, other.start_sec)
    shorter = min(one.end_sec - one.start_sec, other.end_sec - other.start_sec)
    return both >= SHARED * shorter


def _in_order(words: Sequence[Word]) -> list[Word]:
    """The words, none beginning before the one before it ends: pieces may differ by a frame."""
    ordered = list(words[:1])
    for word in words[1:]:
        start = max(word.start_sec, ordered[-1].end_sec)
        ordered.append(replace(word, start_sec=start, end_sec=max(word.end_sec, start)))
    return ordered
