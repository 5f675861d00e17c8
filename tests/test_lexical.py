"""Words and spelling: a distribution that sums to one, files that come back, bad files."""

from __future__ import annotations

import gzip
import json
import math

import pytest

from espnet_ee.bin.main import main
from espnet_ee.errors import DataError
from espnet_ee.lexical import LEXICAL_NAME, ORDER, Lexical

TEXTS = ["NINE TWO", "NINE ONE ONE", "TWO"]


@pytest.mark.parametrize("history", ["\x02" * (ORDER - 1), "\x02\x02\x02NI", "E TWO", "QQQQQ"])
def test_the_characters_behind_a_history_sum_to_one(history):
    lexical = Lexical.of_texts(TEXTS)
    alphabet = sorted(lexical._alphabet)
    assert "\x03" in alphabet and "\x02" not in alphabet
    total = sum(lexical._probability(history, character) for character in [*alphabet, "never"])
    assert total == pytest.approx(1.0)


def test_a_probability_by_hand():
    lexical = Lexical.of_texts(["AB", "A"])
    # Characters: A A B end end. Witten-Bell: (count + kinds * lower) / (total + kinds).
    unigram = (2 + 3 * (1 / 4)) / (5 + 3)
    assert lexical._probability("", "A") == pytest.approx(unigram)
    # Behind the start stands A, twice; so it does behind 2 to 5 starts.
    expected = unigram
    for _ in range(ORDER - 1):
        expected = (2 + 1 * expected) / (2 + 1)
    assert lexical._probability("\x02" * (ORDER - 1), "A") == pytest.approx(expected)


def test_known_texts_are_likelier_than_strange_ones():
    lexical = Lexical.of_texts(TEXTS)
    assert lexical.log_prob("NINE TWO") > lexical.log_prob("NINE TOW") > lexical.log_prob("QXZ QQ")
    assert math.isfinite(lexical.log_prob("")) and lexical.log_prob(" A ") == lexical.log_prob("A")


def test_repeated_texts_count_once():
    assert Lexical.of_texts(TEXTS).counts == Lexical.of_texts(TEXTS * 3).counts


def test_it_comes_back_from_its_file_and_equal_ones_are_equal_bytes(tmp_path):
    lexical = Lexical.of_texts(TEXTS)
    lexical.save(tmp_path / "one")
    Lexical.of_texts(reversed(TEXTS)).save(tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    back = Lexical.load(tmp_path / "one")
    assert back == lexical and back.counts == lexical.counts


def test_no_text_is_refused():
    with pytest.raises(DataError, match="no text to learn"):
        Lexical.of_texts(["", "  "])


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"no json"), gzip.compress(b"[]"), gzip.compress(b"{}")]
)
def test_a_file_of_something_else_is_refused(content, tmp_path):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read|holds no words"):
        Lexical.load(tmp_path / "x")


def test_the_command_writes_it_beside_the_model(tmp_path, capsys):
    (tmp_path / "text").write_text("u1 NINE TWO\nu2 TWO\n")
    exp = tmp_path / "exp"
    exp.mkdir()
    assert main(["lexical", "--text", str(tmp_path / "text"), "--exp", str(exp)]) == 1
    (exp / "config.yaml").touch()
    assert main(["lexical", "--text", str(tmp_path / "text"), "--exp", str(exp)]) == 0
    assert "2 words" in capsys.readouterr().out
    found = json.loads(gzip.decompress((exp / LEXICAL_NAME).read_bytes()))
    assert found["words"] == ["NINE", "TWO"]
