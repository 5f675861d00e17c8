"""The Python API: what it takes, what it refuses, what it returns. Its laws are in tests/laws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from law_tools import alike
from model_factory import SAMPLE_RATE, make_experiment, make_recogniser, make_waves

from espnet_ee.errors import CheckpointError, ConfigError, DataError
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.policies import build_policy


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("exp"))


@pytest.fixture(scope="module")
def asr(tmp_path_factory):
    return make_recogniser(tmp_path_factory.mktemp("asr"))


@pytest.fixture(scope="module")
def wave():
    return make_waves([16000])[0]


def test_one_waveform_or_several_array_or_tensor(asr, wave):
    [one] = asr(wave)
    assert asr([wave]) == asr(torch.from_numpy(wave)) == [one]
    both = asr((wave, torch.from_numpy(wave)))
    rows = asr(np.stack([wave, wave]))  # rows of an array are waveforms
    assert len(both) == len(rows) == 2 and all(alike(result, one) for result in both + rows)
    assert asr(wave.astype(np.float64))[0].tokens == one.tokens


def test_the_default_is_the_last_exit(asr, wave):
    [result] = asr(wave)
    assert (result.exit_index, result.layer, result.score) == (2, 6, 6.0)
    assert result.seconds == 1.0 and result.gflops > 0 and result.log_prob < 0
    assert result.text == asr.text_of(result.tokens)
    assert asr.exit_layers == (2, 4, 6) and asr.sample_rate == SAMPLE_RATE


def test_a_policy_by_name_or_as_an_object(asr, wave):
    assert asr(wave, "entropy", -1.0) == asr(wave, build_policy("entropy"), -1.0)
    with pytest.raises(ConfigError, match="did you mean entropy"):
        asr(wave, "entrpy")


def test_all_exits(asr, wave):
    [result] = asr.all_exits(wave)
    assert [exit.layer for exit in result.exits] == [2, 4, 6]
    assert all(set(e.scores) >= {"layer", "entropy", "confidence"} for e in result.exits)
    [chosen] = asr.all_exits(wave, [build_policy("confidence")])
    assert set(chosen.exits[0].scores) == {"confidence"}
    for index, layer in enumerate((2, 4, 6)):
        [live] = asr(wave, "layer", layer)
        assert live.text == result.texts[index] and live.exit_index == index


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(0, np.float32), "waveform 1 is too short.\n  got:  0 ms"),
        (np.zeros(80, np.float32), "  got:  5 ms\n  want: at least "),
        (np.full(16000, np.nan, np.float32), "waveform 1 has samples that are NaN or infinite"),
        (np.full(16000, np.inf, np.float32), "NaN or infinite"),
        (
            np.zeros((2, 16000), np.float32),
            "waveform 1 is not one-dimensional.\n  got:  shape (2, 16000)",
        ),
    ],
)
def test_waveforms_that_cannot_be_recognised(bad, message, asr, wave):
    for recognise in (asr, asr.all_exits):
        with pytest.raises(DataError) as error:
            recognise([wave, bad])
        assert message in str(error.value)


@pytest.mark.parametrize("stem", ["conv2d", "dwconv8"])
def test_the_shortest_waveform_it_takes_works(stem, tmp_path):
    asr = make_recogniser(tmp_path, encoder_conf={"input_layer": stem})
    shortest = make_waves([asr.min_samples])[0]
    assert asr(shortest)[0].frames >= 1
    with pytest.raises(DataError, match=r"too short(.|\n)*want: at least \d+ ms"):
        asr(shortest[:-1])


def test_another_checkpoint(exp, tmp_path):
    with pytest.raises(CheckpointError, match=r"no\.pth does not exist"):
        EarlyExitSpeech2Text.from_exp(exp, checkpoint=tmp_path / "no.pth")
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        EarlyExitSpeech2Text.from_exp(tmp_path)


def test_the_cost_of_a_length_is_that_of_an_utterance_of_it(asr):
    [result] = asr.all_exits(make_waves([2 * SAMPLE_RATE])[0])
    assert asr.cost_of(2.0) == result.cost
