"""Stages 6 to 8: a real language model of the tiny corpus, and what stage 12 is told of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.recipe

SMALL: dict[str, Any] = {
    "lm": "transformer",
    "lm_conf": {"embed_unit": 8, "att_unit": 8, "head": 2, "unit": 8, "layer": 1},
    "num_workers": 0,
    "batch_type": "numel",
    "batch_bins": 3000,
    "max_epoch": 1,
    "optim": "adam",
    "best_model_criterion": [["valid", "loss", "min"]],
}
OPTIONS = ("--use_lm", "true", "--lm_config", "lm.yaml", "--num_splits_lm", "2")
SEARCH = ("--inference_args", "--decoder attention")


@pytest.fixture
def with_lm(recipe: Any) -> Any:
    (recipe.folder / "lm.yaml").write_text(yaml.safe_dump(SMALL))
    return recipe


def test_it_is_trained_measured_and_searched_with(with_lm: Any) -> None:
    other = with_lm.folder / "more"
    other.write_text("more-1 TEN ELEVEN\nmore-2\n")
    options = (*OPTIONS, *SEARCH, "--lm_train_text", "data/train/text more")
    with_lm.succeed("--stop_stage", "12", *options)
    exp = with_lm.folder / "exp"
    stats = exp / "lm_stats_en_char"
    joined = (with_lm.folder / "data/train/text").read_text() + "more-1 TEN ELEVEN\n"
    assert (stats / "lm_train.txt").read_text() == joined
    assert (stats / "splits2/lm_train.txt/num_splits").read_text() == "2"
    model = exp / "lm_lm_en_char"
    assert 1.0 < float((model / "perplexity_test/ppl").read_text()) < 100.0
    tag = "inference_decoder_attention_*_lm_lm_lm_en_char_valid.loss.ave"
    [log] = exp.glob(f"asr_*/{tag}/test/logdir/asr_inference.1.log")
    assert f"--lm_file {Path('exp/lm_lm_en_char/valid.loss.ave.pth')}" in log.read_text()
    again = with_lm.succeed("--stop_stage", "12", *options)
    assert again.count("done before, skipped") >= 9


def test_greedy_decoding_with_it_is_refused_before_anything_runs(with_lm: Any) -> None:
    error = with_lm.fail(*OPTIONS)
    assert "greedy CTC reads no language model." in error
    assert not (with_lm.folder / "data").exists()


def test_it_goes_on_from_its_checkpoint_only_as_itself(with_lm: Any) -> None:
    with_lm.succeed("--stop_stage", "7", *OPTIONS)
    error = with_lm.fail(
        "--stop_stage", "7", *OPTIONS, "--lm_tag", "lm_en_char", "--lm_args", "--lm_conf layer=2"
    )
    assert "lm_args" in error
