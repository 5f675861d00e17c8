"""Stage 9: an n-gram and a lexicon of the tiny corpus, and what stage 12 is told of them."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytestmark = pytest.mark.recipe

OPTIONS = ("--use_ngram", "true", "--inference_args", "--decoder ctc_beam --word_score 1")


def test_they_are_made_and_searched_with(recipe: Any) -> None:
    (recipe.folder / "more").write_text("more-1 TEN ELEVEN\nmore-2 ZEBRA\n")
    options = (*OPTIONS, "--lm_train_text", "data/train/text more")
    recipe.succeed("--stop_stage", "12", *options)
    made = recipe.folder / "exp/ngram"
    lexicon = (made / "lexicon_char.txt").read_text().splitlines()
    assert "TEN T E N" in lexicon and not any(line.startswith("ZEBRA") for line in lexicon)
    assert "\tZEBRA\t" in (made / "3gram.arpa").read_text()
    tag = "inference_decoder_ctc_beam_word_score_1_*_ngram_ngram_3gram"
    [log] = recipe.folder.glob(f"exp/asr_*/{tag}/test/logdir/asr_inference.1.log")
    said = log.read_text()
    assert "--ngram_file exp/ngram/3gram.arpa --lexicon exp/ngram/lexicon_char.txt" in said
    again = recipe.succeed("--stop_stage", "12", *options)
    assert "Stage 9: done before, skipped" in again
    changed = recipe.succeed("--stop_stage", "9", *options, "--ngram_num", "2")
    assert "--ngram_num changed from '3' to '2'" in changed and (made / "2gram.arpa").exists()


def test_an_n_gram_of_tokens_needs_no_lexicon(recipe: Any) -> None:
    options = (*OPTIONS[:3], "--decoder ctc_beam", "--ngram_unit", "token", "--ngram_num", "4")
    recipe.succeed("--stop_stage", "12", *options)
    grams = (recipe.folder / "exp/ngram/4gram_char.arpa").read_text()
    assert "\tO N E <space>" in grams and "\tONE\t" not in grams
    [log] = recipe.folder.glob("exp/asr_*/*4gram_char/test/logdir/asr_inference.1.log")
    said = log.read_text()
    assert "--ngram_file exp/ngram/4gram_char.arpa" in said and "--lexicon" not in said


def test_kenlms_own_tools_make_it_where_they_are(recipe: Any) -> None:
    (recipe.folder / "tools").mkdir()
    recipe.add_script("tools/lmplz", '#!/bin/sh\necho "$@"\ncat\n')
    recipe.add_script("tools/build_binary", '#!/bin/sh\ncp "$2" "$3"\n')
    recipe.environment["PATH"] = f"{recipe.folder}/tools:{os.environ['PATH']}"
    recipe.succeed("--stop_stage", "9", *OPTIONS)
    lines = (recipe.folder / "exp/ngram/3gram.bin").read_text().splitlines()
    assert lines[0] == "-S 20% --discount_fallback -o 3" and "ONE TWO THREE" in lines


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--use_ngram", "true"), "only a CTC beam search reads an n-gram."),
        ((*OPTIONS, "--use_lm", "true"), "one search reads either a neural language model or"),
    ],
)
def test_what_stage_12_would_not_read_is_refused_first(
    recipe: Any, options: tuple[str, ...], message: str
) -> None:
    assert message in recipe.fail(*options)
    assert not (recipe.folder / "data").exists()
