"""Words and their times: from the spans of tokens, by what the tokenizer makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # formats and stitching, which need no torch, read this module too
    from espnet_ee.decoding.hypothesis import TokenSpan


@dataclass(frozen=True)
class Word:
    """A word, or a single token.

    Attributes:
        text: As the tokenizer spells it.
        start_sec: Where its first token begins, from the beginning of the audio.
        end_sec: Where its last token ends; CTC labels are short, so speech may go on a little.
        confidence: Mean posterior, 0 to 1, of the frames labelled with its tokens; blanks between
            them do not count.
    """

    text: str
    start_sec: float
    end_sec: float
    confidence: float

    @property
    def middle_sec(self) -> float:
        return (self.start_sec + self.end_sec) / 2

    def later(self, seconds: float) -> Word:
        """The same word in audio that begins ``seconds`` earlier."""
        return replace(self, start_sec=self.start_sec + seconds, end_sec=self.end_sec + seconds)


def timed_tokens(
    spans: Sequence[TokenSpan], names: Sequence[str], frame_sec: float
) -> tuple[Word, ...]:
    """Each token with its name in ``names``, which has one per label.

    Frame ``t`` stands for the audio from ``t * frame_sec`` to ``(t + 1) * frame_sec``.
    """
    return tuple(_word(names[span.token], [span], frame_sec) for span in spans)


def timed_words(
    spans: Sequence[TokenSpan], spell: Callable[[Sequence[int]], str], frame_sec: float
) -> tuple[Word, ...]:
    """The words of a text, as spaces separate them.

    A token belongs to the words that it changes: the tokenizer is asked for the text with and
    without it, so that any of its spellings of a space will do.

    Args:
        spans: Of all tokens of the text, in order.
        spell: Tokens to text.
        frame_sec: As for ``timed_tokens``.

    Returns:
        Words whose texts, joined by spaces, are the text.
    """
    found: list[_Spelling] = []
    tokens: list[int] = []  # since the last word that begins with a token
    first = 0  # that word's place in found
    before: list[str] = []
    for span in spans:
        now = spell([*tokens, span.token]).split()
        same = _common(before, now)
        if same == len(before) < len(now):  # it begins a word, where the text can be spelt anew
            now = now[same:]
            first, same, tokens = first + same, 0, []
        tokens.append(span.token)
        del found[first + len(now) :]
        for place, text in enumerate(now[same:], start=first + same):
            if place == len(found):
                found.append(_Spelling(text, []))
            found[place].text = text
            found[place].spans.append(span)
        before = now
    return tuple(_word(word.text, word.spans, frame_sec) for word in found)


@dataclass
class _Spelling:
    """A word that may still grow."""

    text: str
    spans: list[TokenSpan]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words both begin with."""
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    return same


def _word(text: str, spans: Sequence[TokenSpan], frame_sec: float) -> Word:
    frames = sum(span.end - span.start for span in spans)
    sure = sum(span.confidence * (span.end - span.start) for span in spans) / frames
    return Word(text, spans[0].start * frame_sec, spans[-1].end * frame_sec, sure)
