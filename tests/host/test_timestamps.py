"""Times of words: of the exit that was taken, in seconds of this model's audio."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torchaudio
from model_factory import (
    SAMPLE_RATE,
    TOKENS,
    VARIANTS,
    make_experiment,
    make_recogniser,
    make_waves,
)
from ssl_factory import FAMILIES, make_ssl_recogniser

from espnet_ee.host.attention_decoding import BeamOptions
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.policies import ExitPolicy, build_policy
from espnet_ee.policies.ruled import RuledPolicy
from espnet_ee.rules import Single

SAMPLES = [30000, 8000, 16001, 3900, 24000, 12345]
FRONTENDS = {
    stem: {"encoder_conf": {"input_layer": stem}}
    for stem in ("conv2d", "conv1d", "dwconv4", "dwconv8")
}
FRONTENDS |= {
    "hop_128": {"frontend_conf": {"fs": SAMPLE_RATE, "hop_length": 128, "n_mels": 40}},
    "8k": {"frontend_conf": {"fs": "8k", "hop_length": 80, "n_fft": 256, "n_mels": 40}},
    "half_rate": VARIANTS["half_rate"],
    "ee_transformer": {"encoder": "ee_transformer"},
    "ee_e_branchformer": {"encoder": "ee_e_branchformer"},
}
MILLISECONDS = {"conv2d": 40, "conv1d": 40, "dwconv4": 40, "dwconv8": 80, "hop_128": 64, "8k": 80}
MILLISECONDS |= dict.fromkeys(("half_rate", "ee_transformer", "ee_e_branchformer"), 80)


@pytest.fixture(scope="module", params=[*FRONTENDS, *FAMILIES])
def any_asr(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    if request.param in FAMILIES:
        return make_ssl_recogniser(folder, request.param)
    return make_recogniser(folder, **FRONTENDS[request.param])


@pytest.fixture(scope="module")
def asr(tmp_path_factory):
    return make_recogniser(tmp_path_factory.mktemp("asr"), encoder_conf={"input_layer": "conv2d"})


@pytest.fixture(scope="module")
def waves():
    return make_waves(SAMPLES, seed=7)


@pytest.fixture(scope="module")
def threshold(asr, waves):
    """At which exits differ."""
    scores = [exit.scores["entropy"] for one in asr.all_exits(waves) for exit in one.exits[:-1]]
    return sorted(scores)[len(scores) // 2]


def test_so_many_samples_more_are_one_frame_more(any_asr):
    step = any_asr.texts.frame_sec * any_asr.sample_rate
    assert step == pytest.approx(round(step))
    shortest = any_asr.min_samples + 1000
    waves = make_waves([shortest + n * round(step) for n in range(5)])
    counts = [any_asr(wave)[0].frames for wave in waves]
    assert counts == list(range(counts[0], counts[0] + 5))


@pytest.mark.parametrize(("name", "expected"), MILLISECONDS.items())
def test_known_frame_lengths(name, expected, tmp_path):
    asr = make_recogniser(tmp_path, **FRONTENDS[name])
    assert 1000 * asr.texts.frame_sec == pytest.approx(expected)


def test_words_lie_inside_the_audio_one_behind_the_other(any_asr):
    sizes = [any_asr.min_samples + extra for extra in (0, 1, 159, 160, 5003, 20001)]
    results = any_asr(make_waves(sizes, seed=3), timestamps=True)
    for result in results:
        assert [word.text for word in result.words] == result.text.split()
        assert len(result.timed_tokens) == len(result.tokens)
        for times in (result.words, result.timed_tokens):
            assert all(0.0 <= one.start_sec < one.end_sec <= result.seconds for one in times)
            assert all(a.end_sec <= b.start_sec for a, b in pairwise(times))
            assert all(0.0 < one.confidence <= 1.0 for one in times)
    assert any(len(result.timed_tokens) > 2 for result in results)


@pytest.mark.parametrize("stem", ["conv2d", "dwconv4", "dwconv8"])
@torch.inference_mode()
def test_a_frame_hears_the_time_it_stands_for(stem, tmp_path):
    encoder = make_recogniser(tmp_path, encoder_conf={"input_layer": stem}).model.encoder
    features = torch.randn(1, 200, 40)
    lengths = torch.tensor([200])
    before = encoder.stem_frames(features, lengths).hidden[0]
    for frame in (0, 5, 11):
        for place in range(frame * encoder.frame_shift, (frame + 1) * encoder.frame_shift):
            changed = features.clone()
            changed[0, place] += 5.0
            apart = (encoder.stem_frames(changed, lengths).hidden[0] - before).abs().amax(dim=1)
            assert apart[frame] > 0, "what is said in its time changes the frame"
            assert not apart[frame + 1 :].any(), "and none that begins later"


def test_nobody_asked(asr, waves):
    for result in asr(waves):
        assert result.words is None and result.timed_tokens is None


def test_times_change_nothing_else(asr, waves, threshold):
    plain = asr(waves, "entropy", threshold)
    timed = asr(waves, "entropy", threshold, timestamps=True)
    assert len({result.exit_index for result in plain}) > 1
    names = ("text", "tokens", "exit_index", "score", "gflops", "log_prob")
    for one, other in zip(plain, timed, strict=True):
        assert all(getattr(one, name) == getattr(other, name) for name in names)


def test_each_text_is_aligned_once_at_the_exit_that_was_taken(asr, waves, threshold, monkeypatch):
    aligned = []
    forced_align = torchaudio.functional.forced_align

    def watched(log_probs, targets, **options):
        aligned.append((log_probs, targets))
        return forced_align(log_probs, targets, **options)

    monkeypatch.setattr(torchaudio.functional, "forced_align", watched)
    results = asr(waves, "entropy", threshold, timestamps=True)
    assert sorted(tuple(targets[0].tolist()) for _, targets in aligned) == sorted(
        result.tokens for result in results if result.tokens
    )
    assert sorted(log_probs.shape[1] for log_probs, _ in aligned) == sorted(
        result.frames for result in results if result.tokens
    )


def test_times_are_the_same_alone_and_in_a_batch(asr, waves, threshold):
    together = asr(waves, "entropy", threshold, timestamps=True)
    for wave, batched in zip(waves, together, strict=True):
        [alone] = asr(wave, "entropy", threshold, timestamps=True)
        times = [(w.text, w.start_sec, w.end_sec) for w in alone.words]
        assert times == [(w.text, w.start_sec, w.end_sec) for w in batched.words]
        sure = [word.confidence for word in batched.words]
        assert [word.confidence for word in alone.words] == pytest.approx(sure, abs=1e-4)


def test_tokens_are_named(asr, waves):
    [result] = asr(waves[0], timestamps=True)
    assert [one.text for one in result.timed_tokens] == [TOKENS[token] for token in result.tokens]


def test_a_text_of_a_decoder_is_aligned_to_ctc_posteriors(tmp_path, waves):
    exp = make_experiment(
        tmp_path,
        model_conf={"ctc_weight": 0.3},
        decoder="transformer",
        decoder_conf={"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
    )
    # As many tokens as frames, and more where neighbours are equal: not every text fits.
    asr = EarlyExitSpeech2Text.from_exp(exp, beam=BeamOptions(2, 0.0, maxlenratio=1.0, penalty=9.0))
    for result in asr(waves[:3], timestamps=True):
        assert len(result.timed_tokens) == len(result.tokens) > result.frames / 2
        assert [word.text for word in result.words] == result.text.split()
        assert all(one.end_sec <= result.seconds for one in result.timed_tokens)


class Fourth(ExitPolicy):
    """Surest at layer 4."""

    name, unit, reads_history = "fourth", "layers", False

    def score(self, now, history):
        return torch.full(now.lengths.shape, -abs(now.layer - 4.0))


def test_looking_back_the_times_are_those_of_the_exit_that_speaks(asr, waves):
    rule = RuledPolicy(Single("confidence"), [build_policy("confidence")], look_back=Fourth())
    results = asr(waves, rule, 2.0, timestamps=True)  # none stops before the last exit
    assert {result.layer for result in results} == {6}
    assert {result.said_layer for result in results} == {4}
    for wave, result in zip(waves, results, strict=True):
        [spoke] = asr(wave, "layer", result.said_layer, timestamps=True)
        assert result.text == spoke.text
        for one, other in zip(result.timed_tokens, spoke.timed_tokens, strict=True):
            assert (one.text, one.start_sec, one.end_sec) == (
                other.text,
                other.start_sec,
                other.end_sec,
            )
            assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
    for result in asr(waves, rule, 2.0):
        assert result.words is None
