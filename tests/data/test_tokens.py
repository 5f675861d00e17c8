"""Token lists: ESPnet's order, deterministic, and an error that names the vocabulary that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_ee.data.tokens import SubwordOptions, characters, make_tokens, words
from espnet_ee.errors import ConfigError, DataError

TEXTS = ["ONE TWO THREE", "TWO THREE FOUR", "SEVEN EIGHT NINE TEN", "ELEVEN TWELVE", "TWO"] * 4


@pytest.mark.parametrize("token_type", ["bpe", "char", "word"])
def test_list_has_espnets_frame_and_no_repeats(tmp_path: Path, token_type: str) -> None:
    tokens = make_tokens(TEXTS, tmp_path, token_type, SubwordOptions(24))
    assert tokens[:2] == ["<blank>", "<unk>"]
    assert tokens[-1] == "<sos/eos>"
    assert len(set(tokens)) == len(tokens)
    assert (tmp_path / "tokens.txt").read_text().splitlines() == tokens
    assert (tmp_path / "bpe.model").exists() == (token_type == "bpe")


@pytest.mark.parametrize("mode", ["unigram", "bpe"])
def test_subwords_spell_every_text(tmp_path: Path, mode: str) -> None:
    import sentencepiece

    tokens = make_tokens(TEXTS, tmp_path, "bpe", SubwordOptions(24, mode))
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "bpe.model"))
    for text in TEXTS[:5]:
        pieces = model.encode(text, out_type=str)
        assert set(pieces) <= set(tokens)
        assert model.decode(pieces) == text
    assert len(tokens) == 24


def test_subwords_are_the_same_each_time(tmp_path: Path) -> None:
    options = SubwordOptions(24)
    again = [make_tokens(TEXTS, tmp_path / name, "bpe", options) for name in ("one", "two")]
    assert again[0] == again[1]


def test_given_symbols_stay_whole(tmp_path: Path) -> None:
    texts = ["<noise> ONE", "TWO <noise>"]
    assert "<noise>" in characters(texts, ["<noise>"])
    subwords = SubwordOptions(10, symbols=("<noise>",))
    assert "<noise>" in make_tokens(texts, tmp_path, "bpe", subwords)


def test_frequent_units_come_first_and_ties_are_sorted() -> None:
    assert words(["B A", "C C"]) == ["C", "A", "B"]
    assert characters(["BA A"]) == ["A", "<space>", "B"]


@pytest.mark.parametrize(("size", "word"), [(5000, "most"), (5, "least")])
def test_impossible_vocabularies_name_the_possible_one(
    tmp_path: Path, size: int, word: str
) -> None:
    with pytest.raises(ConfigError, match=rf"want: at {word} (\d+)\n  fix:  --nbpe \d+") as caught:
        make_tokens(TEXTS, tmp_path, "bpe", SubwordOptions(size))
    fix = int(str(caught.value).rpartition(" ")[2])
    assert make_tokens(TEXTS, tmp_path, "bpe", SubwordOptions(fix))
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no text to make tokens from"):
        make_tokens(["", ""], tmp_path, "char", SubwordOptions(24))
