"""Lexicons of words, spelled in each kind of token."""

from __future__ import annotations

import pytest

from espnet_ee.data.lexicon import spell, speller
from espnet_ee.data.tokens import SubwordOptions, make_tokens
from espnet_ee.decoding.lexicon import read_lexicon
from espnet_ee.errors import ConfigError, DataError

TEXTS = ["ONE TWO", "TWO THREE", "TWO"]


def test_characters_most_frequent_word_first():
    lines = spell(TEXTS, [*"ONETWHR"], speller("char", None))
    assert [*lines] == ["TWO T W O", "ONE O N E", "THREE T H R E E"]


def test_words_that_need_other_tokens_are_left_out():
    assert [*spell(TEXTS, [*"ONETW"], speller("char", None))] == ["TWO T W O", "ONE O N E"]
    with pytest.raises(DataError, match="no word that"):
        spell(TEXTS, [*"XYZ"], speller("char", None))


def test_whole_words():
    assert [*spell(TEXTS, ["TWO", "ONE"], speller("word", None))] == ["TWO TWO", "ONE ONE"]


def test_subwords_are_those_of_training(tmp_path):
    texts = TEXTS * 3
    tokens = make_tokens(texts, tmp_path, "bpe", SubwordOptions(12))
    path = tmp_path / "lexicon.txt"
    path.write_text("\n".join(spell(texts, tokens, speller("bpe", tmp_path / "bpe.model"))))
    spelled = read_lexicon(path, tokens)
    assert set(spelled) == {"ONE", "TWO", "THREE"}
    assert all("".join(way) == f"▁{word}" for word, [way] in spelled.items())


def test_a_missing_model_of_subwords(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        speller("bpe", tmp_path / "none.model")
