"""CTC/attention search at every exit: ESPnet's own at the last one, and the laws with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from law_tools import alike, thresholds_between
from model_factory import make_experiment, make_waves
from torch.utils.flop_counter import FlopCounterMode

from espnet_ee.errors import ConfigError
from espnet_ee.host.attention_decoding import AttentionSpeaker, BeamOptions
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.nn.packed import PACKED_FLOPS, PackedLinear
from espnet_ee.policies import build_policy

DECODER = {
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
}
SAMPLES = [16000, 9000, 24000, 12345]
BEAM = BeamOptions(beam_size=3, ctc_weight=0.4, maxlenratio=0.5)


@pytest.fixture(scope="module", params=["own", "shared"])
def exp(request, tmp_path_factory):
    conf = {"ctc_weight": 0.3, "attention_exits": [4, 6], "exit_decoders": request.param}
    return make_experiment(tmp_path_factory.mktemp("aed"), model_conf=conf, **DECODER)


@pytest.fixture(scope="module")
def asr(exp):
    return EarlyExitSpeech2Text.from_exp(exp, beam=BEAM)


@pytest.fixture(scope="module")
def waves():
    return make_waves(SAMPLES, seed=2)


def test_the_last_exit_is_espnets_own_search(exp, asr, waves):
    from espnet2.bin.asr_inference import Speech2Text

    stock = Speech2Text(
        asr_train_config=str(exp / "config.yaml"),
        asr_model_file=str(exp / "valid.cer_ctc.ave.pth"),
        beam_size=3,
        ctc_weight=0.4,
        maxlenratio=0.5,
    )
    for wave in waves:
        [(_, _, tokens, hypothesis), *_] = _best(stock(wave))
        [result] = asr(wave)
        assert list(result.tokens) == list(tokens)
        assert result.log_prob == pytest.approx(float(hypothesis.score), abs=1e-2)


def _best(results):
    """Of a model with exits ESPnet returns the texts of the others beside the n-best list."""
    return results[0] if isinstance(results, tuple) else results


def test_exits_without_a_decoder_speak_by_greedy_ctc(exp, asr, waves):
    greedy = EarlyExitSpeech2Text.from_exp(exp)
    searched, plain = asr.all_exits(waves), greedy.all_exits(waves)
    for ours, theirs in zip(searched, plain, strict=True):
        assert ours.exits[0].path.tokens == theirs.exits[0].path.tokens
        assert ours.exits[0].path.gflops == 0.0 < ours.exits[1].path.gflops
    assert any(a.texts[2] != b.texts[2] for a, b in zip(searched, plain, strict=True))


def test_a_run_that_stops_equals_all_exits_and_pays_one_search(asr, waves):
    decoded = asr.all_exits(waves, [build_policy("entropy")])
    scores = np.array([[exit.scores["entropy"] for exit in item.exits] for item in decoded])
    for threshold in thresholds_between(scores, most=3):
        for live, item in zip(asr(waves, "entropy", threshold), decoded, strict=True):
            exit = item.exits[live.exit_index]
            assert live.tokens == exit.path.tokens
            cost = item.cost.until(live.exit_index, reads_posteriors=True)
            assert cost + exit.path.gflops == pytest.approx(live.gflops, rel=1e-6)


def test_alone_and_in_a_batch(asr, waves):
    for result, wave in zip(asr(waves), waves, strict=True):
        [alone] = asr(wave)
        assert alike(result, alone)


@pytest.mark.parametrize("again", [False, True])
def test_what_is_counted_is_what_ran(asr, waves, again):
    """Also where shapes are known already, and torch's counter does not run."""
    speaker = AttentionSpeaker(asr.model, BEAM)
    with torch.inference_mode():
        [*_, exit] = asr.model.walk([asr.features(waves[:1])])
        posteriors = asr.model.exit_log_probs(exit)
        if again:
            speaker(exit, posteriors)
        with FlopCounterMode(display=False, custom_mapping=PACKED_FLOPS) as counter:
            [hypothesis] = AttentionSpeaker(asr.model, BEAM)(exit, posteriors)
        [counted] = speaker(exit, posteriors)
    assert counted == hypothesis
    assert counted.gflops * 1e9 == pytest.approx(counter.get_total_flops())


def test_a_model_without_decoder_says_so(tmp_path):
    exp = make_experiment(tmp_path)
    with pytest.raises(ConfigError, match="no attention decoder"):
        EarlyExitSpeech2Text.from_exp(exp, beam=BEAM)


@pytest.mark.parametrize(
    "options", [{"beam_size": 0}, {"ctc_weight": 1.1}, {"ctc_weight": -0.1}, {"nbest": 21}]
)
def test_wrong_options_say_so(options):
    with pytest.raises(ConfigError, match="make no search"):
        BeamOptions(**options)


def test_a_recurrent_decoder_is_searched_too(tmp_path, waves):
    changes = {"decoder": "rnn", "decoder_conf": {"hidden_size": 12, "num_layers": 1}}
    conf = {"ctc_weight": 0.3, "attention_exits": "all"}
    exp = make_experiment(tmp_path, model_conf=conf, **changes)
    asr = EarlyExitSpeech2Text.from_exp(exp, beam=BeamOptions(2, 0.4, maxlenratio=0.3))
    [result] = asr.all_exits(waves[1])
    assert all(exit.path.gflops > 0 for exit in result.exits)


def test_packed_layers_are_counted():
    packed = PackedLinear(torch.randn(5, 3), None)
    with FlopCounterMode(display=False, custom_mapping=PACKED_FLOPS) as counter:
        packed(torch.randn(2, 7, 3))
    assert counter.get_total_flops() == 2 * 2 * 7 * 3 * 5


def test_a_search_that_finds_nothing_is_an_empty_text(asr, monkeypatch):
    speaker = AttentionSpeaker(asr.model, BEAM)
    monkeypatch.setattr(speaker, "_beam_search", lambda layer, posteriors: lambda **_: [])
    hypothesis = speaker._search(6, torch.randn(5, 16), torch.randn(5, 14))
    assert hypothesis.tokens == () and hypothesis.log_prob == float("-inf")
