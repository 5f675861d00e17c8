"""CTC beam search at every exit: laws, N-best lists, neural language models, the commands."""

from __future__ import annotations

import argparse
import importlib.util
import json

import numpy as np
import pytest
import soundfile
from law_tools import alike, recorded_scores, thresholds_between
from lm_factory import make_language_model
from model_factory import SAMPLE_RATE, make_experiment, make_waves

from espnet_ee.bin.asr_inference import main as asr_inference
from espnet_ee.bin.main import main
from espnet_ee.bin.options import add_search_options, search_of
from espnet_ee.decoding.ctc_beam import CTCBeamOptions
from espnet_ee.errors import ConfigError
from espnet_ee.host.attention_decoding import BeamOptions
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.language_model import LanguageModelFiles
from espnet_ee.policies import build_policy
from espnet_ee.records import read_record

SAMPLES = [16000, 9000, 24000, 12345]
needs_flashlight = pytest.mark.skipif(
    importlib.util.find_spec("flashlight") is None,
    reason="flashlight-text is not installed (pip install 'espnet-ee[beam]')",
)


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("exp"))


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory):
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.txt"
    path.write_text("".join(f"{a}{b} {a} {b}\n" for a in "ABCDE" for b in "FGHIJ"))
    return path


@pytest.fixture(scope="module", params=["prefix", "lexicon", "neural"])
def options(request, lexicon, tmp_path_factory):
    if request.param == "prefix":
        return CTCBeamOptions(beam_size=5, nbest=3)
    if request.param == "lexicon":
        if importlib.util.find_spec("flashlight") is None:
            pytest.skip("flashlight-text is not installed (pip install 'espnet-ee[beam]')")
        return CTCBeamOptions(beam_size=20, nbest=3, lexicon=lexicon, word_score=1.0)
    files = LanguageModelFiles(make_language_model(tmp_path_factory.mktemp("lm")))
    return BeamOptions(3, 1.0, maxlenratio=0.5, lm_weight=0.3, lm=files, nbest=3)


@pytest.fixture(scope="module")
def asr(exp, options):
    return EarlyExitSpeech2Text.from_exp(exp, beam=options)


@pytest.fixture(scope="module")
def waves():
    return make_waves(SAMPLES, seed=2)


def test_alone_and_in_a_batch(asr, waves):
    for result, wave in zip(asr(waves), waves, strict=True):
        [alone] = asr(wave)
        assert alike(result, alone)


def test_a_run_that_stops_searches_only_where_it_stops(asr, waves, monkeypatch):
    decoded = asr.all_exits(waves, [build_policy("entropy")])
    asked = []
    speak = asr.speak
    monkeypatch.setattr(
        asr,
        "speak",
        lambda exit, posteriors: asked.append(len(posteriors)) or speak(exit, posteriors),
    )
    for threshold in thresholds_between(recorded_scores(decoded, "entropy"), most=3):
        asked.clear()
        for live, item in zip(asr(waves, "entropy", threshold), decoded, strict=True):
            exit = item.exits[live.exit_index]
            assert live.tokens == exit.path.tokens
            cost = item.cost.until(live.exit_index, reads_posteriors=True)
            assert cost + exit.path.gflops == pytest.approx(live.gflops, rel=1e-6)
        assert sum(asked) == len(waves)


def test_the_best_of_the_list_is_the_text(asr, waves, options):
    for item in asr.all_exits(waves):
        for exit, text in zip(item.exits, item.texts, strict=True):
            best = exit.path.nbest[0]
            assert (best.tokens, best.log_prob) == (exit.path.tokens, exit.path.log_prob)
            assert asr.text_of(best.tokens) == text
            values = [one.log_prob for one in exit.path.nbest]
            assert len(values) <= 3 and values == sorted(values, reverse=True)
            assert len({one.tokens for one in exit.path.nbest}) == len(values)


def test_only_a_neural_model_costs_operations(asr, waves, options):
    costs = [exit.path.gflops for item in asr.all_exits(waves) for exit in item.exits]
    neural = isinstance(options, BeamOptions)
    assert all(cost > 0 for cost in costs) if neural else set(costs) == {0.0}


@needs_flashlight
def test_only_words_of_the_lexicon_are_said(exp, lexicon, waves):
    asr = EarlyExitSpeech2Text.from_exp(exp, beam=CTCBeamOptions(50, lexicon=lexicon))
    allowed = {line.split()[0] for line in lexicon.read_text().splitlines()}
    said = {w for item in asr.all_exits(waves) for text in item.texts for w in text.split()}
    assert said and said <= allowed


def test_the_last_exit_is_espnets_own_search_by_ctc_and_a_language_model(exp, tmp_path, waves):
    from espnet2.bin.asr_inference import Speech2Text

    checkpoint = make_language_model(tmp_path)
    stock = Speech2Text(
        asr_train_config=str(exp / "config.yaml"),
        asr_model_file=str(exp / "valid.cer_ctc.ave.pth"),
        lm_train_config=str(tmp_path / "config.yaml"),
        lm_file=str(checkpoint),
        ctc_weight=1.0,
        lm_weight=0.5,
        beam_size=3,
        nbest=2,
        maxlenratio=0.5,
    )
    files = LanguageModelFiles(checkpoint)
    beam = BeamOptions(3, 1.0, maxlenratio=0.5, lm_weight=0.5, lm=files, nbest=2)
    asr = EarlyExitSpeech2Text.from_exp(exp, beam=beam)
    for wave in waves:
        results = stock(wave)
        results = results[0] if isinstance(results, tuple) else results
        [ours] = asr(wave)
        assert [list(one.tokens) for one in ours.nbest] == [list(one[2]) for one in results]
        assert ours.log_prob == pytest.approx(float(results[0][3].score), abs=1e-2)


def test_what_a_record_says_of_it(lexicon):
    assert str(CTCBeamOptions()) == "CTC beam 50"
    text = str(CTCBeamOptions(lexicon=lexicon, ngram_file=lexicon, ngram_weight=1.5, word_score=2))
    name = f"{lexicon.parent.name}/lexicon.txt, SHA-256 "
    assert f"lexicon {name}" in text and "word score 2, n-gram " in text and ", weight 1.5" in text
    files = LanguageModelFiles(lexicon)
    assert str(BeamOptions(5, 1.0, lm=files)).startswith("CTC prefix scores, beam 5, LM weight 1 (")


@pytest.mark.parametrize("wrong", [{"beam_size": 0}, {"nbest": 0}, {"beam_size": 3, "nbest": 4}])
def test_wrong_options_say_so(wrong):
    with pytest.raises(ConfigError, match="make no beam search"):
        CTCBeamOptions(**wrong)


def asked_for(*words):
    parser = argparse.ArgumentParser()
    add_search_options(parser, "_")
    return search_of(parser.parse_args(words))


def test_options_of_the_command_line():
    assert asked_for() is None
    beam = asked_for("--decoder", "ctc_beam", "--beam_size", "7", "--nbest", "2")
    assert beam == CTCBeamOptions(7, 2)
    neural = asked_for("--decoder", "ctc_beam", "--lm_file", "a.pth", "--penalty", "0.5")
    assert neural.by_ctc_alone and neural.penalty == 0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--nbest", "2"), "want: --decoder ctc_beam or attention with it"),
        (("--decoder", "attention", "--lexicon", "a"), "--decoder attention does not read"),
        (("--decoder", "ctc_beam", "--ctc_weight", "0.3"), "--decoder ctc_beam does not read"),
        (("--decoder", "attention", "--ctc_weight", "1"), "CTC alone is no attention search"),
        (("--decoder", "ctc_beam", "--penalty", "1"), "there is no language model"),
        (("--decoder", "ctc_beam", "--word_score", "1"), "weighs nothing without lexicon"),
        (("--decoder", "ctc_beam", "--lexicon", "a", "--lm_file", "b"), "either a neural"),
    ],
)
def test_options_that_nothing_reads_are_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        asked_for(*words)


@pytest.fixture
def files(tmp_path, waves):
    for number, wave in enumerate(waves):
        soundfile.write(tmp_path / f"{number}.wav", wave, SAMPLE_RATE)
    (tmp_path / "wav.scp").write_text("".join(f"u{n} {tmp_path}/{n}.wav\n" for n in range(4)))
    return tmp_path


def test_recognize_shows_the_list(exp, files, capsys):
    wav = str(files / "0.wav")
    search = ("--decoder", "ctc_beam", "--nbest", "3")
    assert main(["recognize", "--exp", str(exp), *search, "--format", "json", wav]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [set(one) for one in shown["nbest"]] == [{"text", "tokens", "log_prob"}] * 3
    assert shown["nbest"][0]["text"] == shown["text"]
    assert main(["recognize", "--exp", str(exp), *search, wav]) == 1
    assert "--nbest N is shown by --format json only" in capsys.readouterr().err


def test_asr_inference_writes_the_list_of_the_policys_choice(exp, files):
    out = files / "out"
    code = asr_inference(
        ["--asr_train_config", str(exp / "config.yaml"), "--output_dir", str(out)]
        + ["--asr_model_file", str(exp / "valid.cer_ctc.ave.pth"), "--nbest", "2"]
        + ["--data_path_and_name_and_type", f"{files}/wav.scp,speech,sound"]
        + ["--policy", "layer", "--threshold", "4", "--decoder", "ctc_beam", "--beam_size", "5"]
    )
    assert code == 0
    asr = EarlyExitSpeech2Text.from_exp(exp, beam=CTCBeamOptions(5, 2))
    for rank in (1, 2):
        folder = out / f"{rank}best_recog"
        assert {path.name for path in folder.iterdir()} == {"text", "token", "token_int", "score"}
        scores = dict(line.split() for line in (folder / "score").read_text().splitlines())
        for number in range(4):
            wave = soundfile.read(files / f"{number}.wav", dtype="float32")[0]
            wanted = asr(wave, "layer", 4)[0].nbest[rank - 1]
            assert float(scores[f"u{number}"]) == pytest.approx(wanted.log_prob, abs=1e-3)
    assert not (out / "3best_recog").exists()
    assert not list(out.glob("exit*/2best_recog"))
    assert read_record(out / "record.jsonl.gz").header.decoding == "CTC beam 5"


def test_an_empty_text_has_a_list_of_its_own():
    from espnet_ee.decoding.hypothesis import Hypothesis

    assert Hypothesis.of([]) == Hypothesis((), -np.inf, 0.0, ())
