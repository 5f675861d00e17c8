"""Tokens to words: the words of the text, each with the frames of the tokens that spell it."""

from __future__ import annotations

import random

import pytest

from espnet_ee.decoding.hypothesis import TokenSpan
from espnet_ee.decoding.words import timed_tokens, timed_words

CHARACTERS = ("<blank>", "<unk>", "<space>", *"ABC")
PIECES = ("<blank>", "<unk>", "▁", "▁A", "B", "▁CAT", "S", "F▁THE")


def by_character(tokens):
    """As ESPnet's tokenizer for ``token_type: char``."""
    return "".join(" " if token == 2 else CHARACTERS[token] for token in tokens)


def by_piece(tokens):
    """As sentencepiece, which shows an unknown piece as a word of its own."""
    names = (" ⁇ " if token == 1 else PIECES[token] for token in tokens)
    return "".join(names).replace("▁", " ").removeprefix(" ")


def spans_of(tokens, confidence: float = 0.5):
    """Two frames for each token and one between them."""
    return [
        TokenSpan(token, 3.0 * place, 3.0 * place + 2, confidence)
        for place, token in enumerate(tokens)
    ]


@pytest.mark.parametrize(("spell", "count"), [(by_character, 6), (by_piece, 8)])
@pytest.mark.parametrize("seed", range(200))
def test_words_are_those_of_the_text(seed, spell, count):
    draw = random.Random(seed)
    tokens = [draw.randrange(1, count) for _ in range(draw.randrange(12))]
    words = timed_words(spans_of(tokens), spell, 0.1)
    assert [word.text for word in words] == spell(tokens).split()
    assert all(word.start_sec < word.end_sec for word in words)
    assert all(a.start_sec <= b.start_sec for a, b in zip(words, words[1:], strict=False))


def test_characters_between_spaces_are_a_word():
    words = timed_words(spans_of([2, 3, 4, 2, 2, 5]), by_character, 0.04)
    assert [(word.text, word.start_sec, word.end_sec) for word in words] == [
        ("AB", pytest.approx(0.12), pytest.approx(0.32)),
        ("C", pytest.approx(0.6), pytest.approx(0.68)),
    ]


def test_a_piece_with_the_mark_begins_a_word():
    words = timed_words(spans_of([3, 4, 2, 5, 6]), by_piece, 1.0)
    assert [(word.text, word.start_sec, word.end_sec) for word in words] == [
        ("AB", 0.0, 5.0),
        ("CATS", 9.0, 14.0),
    ]


def test_a_piece_across_a_space_belongs_to_both_words():
    words = timed_words(spans_of([3, 7, 6]), by_piece, 1.0)
    assert [(word.text, word.start_sec, word.end_sec) for word in words] == [
        ("AF", 0.0, 5.0),
        ("THES", 3.0, 8.0),
    ]


def test_confidence_weighs_tokens_by_their_frames():
    spans = [TokenSpan(3, 0.0, 3.0, 0.9), TokenSpan(4, 8.0, 9.0, 0.5)]
    [word] = timed_words(spans, by_character, 0.04)
    assert word.confidence == pytest.approx((3 * 0.9 + 0.5) / 4)
    assert [token.confidence for token in timed_tokens(spans, CHARACTERS, 0.04)] == [0.9, 0.5]


def test_tokens_have_their_names():
    first, second = timed_tokens(spans_of([3, 2]), CHARACTERS, 0.5)
    assert (first.text, first.start_sec, first.end_sec) == ("A", 0.0, 1.0)
    assert (second.text, second.start_sec, second.end_sec) == ("<space>", 1.5, 2.5)


def test_nothing_said():
    assert timed_words([], by_character, 0.04) == () == timed_tokens([], CHARACTERS, 0.04)


def test_later():
    [word] = timed_words(spans_of([3]), by_character, 1.0)
    assert (word.later(10.0).start_sec, word.later(10.0).end_sec) == (10.0, 12.0)
    assert word.middle_sec == 1.0
