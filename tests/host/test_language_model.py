"""Shallow fusion: ESPnet's own search with a language model, and what it refuses."""

from __future__ import annotations

import argparse

import pytest
import torch
from lm_factory import LANGUAGE_MODELS, make_language_model
from model_factory import TOKENS, make_experiment, make_waves
from torch.utils.flop_counter import FlopCounterMode

from espnet_ee.bin.options import add_search_options, search_of
from espnet_ee.errors import CheckpointError, ConfigError
from espnet_ee.host.attention_decoding import BeamOptions
from espnet_ee.host.counted_scorer import SEARCH_FLOPS, CountedScorer, FlopTable
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.language_model import LanguageModelFiles, load_language_model

DECODER = {
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
    "model_conf": {"ctc_weight": 0.3, "attention_exits": [4, 6], "exit_decoders": "shared"},
}
SEARCH = {"beam_size": 3, "ctc_weight": 0.4, "maxlenratio": 0.5, "penalty": 0.3, "lm_weight": 0.7}


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("aed"), **DECODER)


@pytest.mark.parametrize("kind", LANGUAGE_MODELS)
def test_the_last_exit_is_espnets_own_search(kind, exp, tmp_path):
    from espnet2.bin.asr_inference import Speech2Text

    checkpoint = make_language_model(tmp_path, kind)
    stock = Speech2Text(
        asr_train_config=str(exp / "config.yaml"),
        asr_model_file=str(exp / "valid.cer_ctc.ave.pth"),
        lm_train_config=str(tmp_path / "config.yaml"),
        lm_file=str(checkpoint),
        **SEARCH,
    )
    beam = BeamOptions(lm=LanguageModelFiles(checkpoint), **SEARCH)
    ours = EarlyExitSpeech2Text.from_exp(exp, beam=beam)
    without = EarlyExitSpeech2Text.from_exp(exp, beam=BeamOptions(**SEARCH))
    waves = make_waves([16000, 9000, 24000], seed=2)
    for wave in waves:
        found = stock(wave)
        (_, _, tokens, hypothesis), *_ = found[0] if isinstance(found, tuple) else found
        [result] = ours(wave)
        assert list(result.tokens) == list(tokens)
        assert result.log_prob == pytest.approx(float(hypothesis.score), abs=1e-2)
    pairs = list(zip(ours(waves), without(waves), strict=True))
    assert any(a.tokens != b.tokens for a, b in pairs)
    assert all(a.gflops != b.gflops for a, b in pairs), "the language model's work counts"


def test_what_a_record_says_of_it(tmp_path):
    checkpoint = make_language_model(tmp_path / "lm_small")
    text = str(BeamOptions(lm=LanguageModelFiles(checkpoint), lm_weight=0.7, penalty=0.3))
    assert "penalty 0.3, LM weight 0.7 (lm_small/valid.loss.ave.pth, SHA-256 " in text


def test_a_fused_recurrent_layer_is_counted(tmp_path):
    """One step of two layers of width 12: four gates, each of input and state, and the output."""
    lm = load_language_model(LanguageModelFiles(make_language_model(tmp_path, "seq_rnn")), TOKENS)
    table = FlopTable()
    scorer = CountedScorer(lm, table, "lm")
    prefixes, memory = torch.zeros(3, 1, dtype=torch.long), torch.zeros(3, 5, 4)
    with torch.inference_mode():
        scorer.batch_score(prefixes, [None] * 3, memory)
    per_row = 2 * (2 * 4 * 12 * (12 + 12) + 12 * len(TOKENS))
    assert table.spent == 3 * per_row
    with FlopCounterMode(display=False, custom_mapping=SEARCH_FLOPS) as counter:
        lm(prefixes, None)
    assert counter.get_total_flops() == 3 * per_row


def test_other_tokens_are_refused(tmp_path):
    files = LanguageModelFiles(make_language_model(tmp_path))
    other = [*TOKENS[:4], "Z", *TOKENS[5:]]
    with pytest.raises(ConfigError, match="other tokens") as caught:
        load_language_model(files, other)
    assert "token 4 is 'B'" in str(caught.value) and "token 4 is 'Z'" in str(caught.value)
    with pytest.raises(ConfigError, match=r"want: 3 tokens, token 3 is None"):
        load_language_model(files, TOKENS[:3])


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_language_model(LanguageModelFiles(tmp_path / "none.pth"), TOKENS)
    checkpoint = make_language_model(tmp_path)
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_language_model(LanguageModelFiles(checkpoint), TOKENS)
    torch.save({"lm.nothing": torch.zeros(1)}, checkpoint)
    with pytest.raises(CheckpointError, match="of another model"):
        load_language_model(LanguageModelFiles(checkpoint), TOKENS)


def search(*words):
    parser = argparse.ArgumentParser()
    add_search_options(parser, "_")
    return search_of(parser.parse_args(words))


def test_options_of_the_command_line(tmp_path):
    beam = search("--decoder", "attention", "--lm_file", "a.pth", "--lm_weight", "0.2")
    assert str(beam.lm.checkpoint) == "a.pth" and beam.lm_weight == 0.2
    with pytest.raises(ConfigError, match="no language model to search with"):
        search("--decoder", "attention", "--lm_weight", "0.2")
    with pytest.raises(ConfigError, match="greedy CTC does not search"):
        search("--lm_file", "a.pth")
