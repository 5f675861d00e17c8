"""Lexicon files: what they hold, and what is refused."""

from __future__ import annotations

import pytest

from espnet_ee.decoding.lexicon import read_lexicon
from espnet_ee.errors import ConfigError

TOKENS = ["<blank>", "<unk>", "<space>", "A", "B", "<sos/eos>"]


def lexicon(tmp_path, text):
    path = tmp_path / "lexicon.txt"
    path.write_text(text, encoding="utf-8")
    return read_lexicon(path, TOKENS)


def test_words_and_their_spellings_with_or_without_a_space_behind(tmp_path):
    found = lexicon(tmp_path, "AB A B\nAB A A B <space>\n\nA A\n")
    assert found == {"AB": [("A", "B"), ("A", "A", "B")], "A": [("A",)]}


def test_words_that_the_model_cannot_spell_are_named_five_at_most(tmp_path):
    with pytest.raises(ConfigError) as error:
        lexicon(tmp_path, "A A\nCAB C A B\nNONE\n")
    assert "  got:  CAB: C; NONE: no spelling\n" in str(error.value)
    with pytest.raises(ConfigError, match=r"W4: X and 2 more"):
        lexicon(tmp_path, "".join(f"W{n} X\n" for n in range(7)))


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.txt cannot be read"):
        read_lexicon(tmp_path / "none.txt", TOKENS)
    with pytest.raises(ConfigError, match="has no word"):
        lexicon(tmp_path, "\n\n")
