"""Audio of any length: words once each, every piece at its own exit, memory for a few pieces."""

from __future__ import annotations

import random
import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch
from law_tools import alike
from model_factory import make_recogniser, make_waves

import espnet_ee.host.transcription as transcription
from espnet_ee.data.cutting import CutOptions
from espnet_ee.decoding.words import Word
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.host.transcription import transcribe

RATE = 16_000
CUT = CutOptions(4.0, 1.0, 1.0)
FIXED = CutOptions(4.0, 1.0, 0.0)


@pytest.fixture(scope="module")
def asr(tmp_path_factory):
    return make_recogniser(tmp_path_factory.mktemp("asr"), encoder_conf={"input_layer": "conv2d"})


@pytest.fixture(scope="module")
def wave():
    return make_waves([21 * RATE + 777], seed=4)[0]


@pytest.fixture(scope="module")
def threshold(asr, wave):
    """At which pieces take different exits."""
    pieces = [wave[at : at + 4 * RATE] for at in range(0, len(wave) - RATE, 3 * RATE)]
    scores = [one.exits[0].scores["entropy"] for one in asr.all_exits(pieces)]
    return sorted(scores)[len(scores) // 2]


class Listener:
    """Hears words that are written into the audio: a level for each, which stays for its length."""

    SEC = 0.3

    def __init__(self, asr) -> None:
        [self._any] = asr(make_waves([RATE])[0], timestamps=True)
        self.waves = []  # weak: whether somebody else keeps them

    def write(self, count: int, pause: tuple[float, float], seed: int = 0):
        """Audio of words ``0..count-1`` with pauses between, and when they begin."""
        draw, parts, starts = random.Random(seed), [], []
        for number in range(count):
            starts.append(sum(map(len, parts)) / RATE)
            parts.append(np.full(round(self.SEC * RATE), (number + 1) / 1024, np.float32))
            parts.append(np.zeros(round(draw.uniform(*pause) * RATE), np.float32))
        return np.concatenate(parts), starts

    def __call__(self, waves):
        self.waves += [weakref.ref(wave) for wave in waves]
        return [self._hear(wave) for wave in waves]

    def _hear(self, wave):
        bounds = np.flatnonzero(np.diff(wave, prepend=0.0, append=0.0))
        words = []
        for first, last in pairwise(bounds):
            if level := round(1024 * float(wave[first])):
                whole = last - first >= self.SEC * RATE - 2
                text = str(level - 1) if whole else "CUT"
                words.append(Word(text, first / RATE, last / RATE, 0.9))
        text = " ".join(word.text for word in words)
        return replace(self._any, text=text, words=tuple(words), seconds=len(wave) / RATE)


@pytest.fixture
def listener(asr):
    return Listener(asr)


@pytest.mark.parametrize("options", [CUT, FIXED, CutOptions(6.0, 2.0, 1.5)], ids=str)
@pytest.mark.parametrize("pause", [(0.25, 0.6), (0.0005, 0.002), (0.0005, 3.0)])
def test_words_come_once_each_in_order_at_their_time(asr, listener, options, pause):
    wave, starts = listener.write(120, pause)
    found = transcribe(asr, wave, options, listener)
    assert len(found.pieces) > 8
    assert found.text == " ".join(map(str, range(120)))
    assert [word.start_sec for word in found.words] == pytest.approx(starts, abs=1e-3)


def test_cut_in_pauses_pieces_need_no_overlap(asr, listener):
    wave, _ = listener.write(80, (0.25, 0.6))
    found = transcribe(asr, wave, CutOptions(4.0, 0.0, 1.0), listener)
    assert found.text == " ".join(map(str, range(80)))


@pytest.mark.parametrize("seconds", [0.5, 3.99, 4.0])
def test_what_is_short_enough_is_what_it_is_uncut(asr, tmp_path, seconds):
    [wave] = make_waves([round(seconds * RATE)], seed=2)
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, RATE, subtype="FLOAT")
    [uncut] = asr(wave, "entropy", -0.6, timestamps=True)
    for source in (wave, torch.from_numpy(wave), path, str(path)):
        found = asr.transcribe(source, CUT, policy="entropy", threshold=-0.6)
        [piece] = found.pieces
        assert piece.recognition == uncut
        assert (found.text, found.words) == (uncut.text, uncut.words)
        assert (found.gflops, found.seconds) == (uncut.gflops, seconds)


def test_each_piece_is_recognised_as_if_alone(asr, wave, threshold):
    found = asr.transcribe(wave, CUT, policy="entropy", threshold=threshold)
    assert len(found.pieces) > 5
    for piece in found.pieces:
        part = wave[round(piece.start_sec * RATE) : round(piece.end_sec * RATE)]
        [alone] = asr(part, "entropy", threshold, timestamps=True)
        unsure = replace(piece.recognition, words=alone.words, timed_tokens=alone.timed_tokens)
        assert alike(unsure, alone)
        assert [w.text for w in piece.recognition.words] == [w.text for w in alone.words]
    layers = {piece.recognition.layer for piece in found.pieces}
    assert len(layers) > 1, "pieces stop at exits of their own"


def test_the_whole_is_the_sum_of_its_pieces(asr, wave, threshold):
    found = asr.transcribe(wave, CUT, policy="entropy", threshold=threshold)
    costs = [piece.recognition.gflops for piece in found.pieces]
    assert found.gflops == pytest.approx(sum(costs)) and min(costs) > 0
    assert found.seconds == pytest.approx(len(wave) / RATE)
    assert found.text == " ".join(word.text for word in found.words)
    assert all(a.end_sec <= b.start_sec for a, b in pairwise(found.words))
    assert found.words[0].start_sec >= 0.0 and found.words[-1].end_sec <= found.seconds


@pytest.mark.parametrize("pool_sec", [0.0, 9.0])
def test_how_many_pieces_are_recognised_together_does_not_matter(
    asr, listener, monkeypatch, pool_sec
):
    wave, _ = listener.write(60, (0.1, 0.6))
    together = transcribe(asr, wave, CUT, listener)
    monkeypatch.setattr(transcription, "POOL_SEC", pool_sec)
    assert transcribe(asr, wave, CUT, listener) == together


def test_pieces_of_earlier_pools_are_let_go(asr, listener, monkeypatch):
    monkeypatch.setattr(transcription, "POOL_SEC", 10.0)
    wave, _ = listener.write(400, (0.1, 0.6))
    kept = []

    def recognise(waves):
        kept.append(sum(seen() is not None for seen in listener.waves))
        return listener(waves)

    found = transcribe(asr, wave, CUT, recognise)
    assert len(found.pieces) > 60 and len(kept) > 20
    assert max(kept) <= 3


def test_a_long_file_of_two_channels_and_another_rate(asr, wave, tmp_path, caplog):
    caplog.set_level("INFO")
    path = tmp_path / "a.flac"
    slow = np.interp(np.arange(0, len(wave), RATE / 22_050), np.arange(len(wave)), wave)
    soundfile.write(path, np.stack([slow, slow], axis=1), 22_050)
    found = asr.transcribe(path, CUT)
    assert found.seconds == pytest.approx(len(wave) / RATE, abs=1e-3)
    assert len(found.pieces) > 5
    assert "2 channels mixed down" in caplog.text
    assert "resampled from 22050 to 16000 Hz" in caplog.text
    for piece in found.pieces:
        length = piece.end_sec - piece.start_sec
        assert piece.recognition.seconds == pytest.approx(length, abs=1e-3)


def test_samples_that_are_no_numbers_name_their_time(asr, wave, tmp_path):
    bad = wave.copy()
    bad[round(13.5 * RATE)] = np.nan
    soundfile.write(tmp_path / "a.wav", bad, RATE, subtype="FLOAT")
    for source in (bad, tmp_path / "a.wav"):
        with pytest.raises(DataError, match=r"NaN or infinite(.|\n)*1 of them from 13\.50 s on"):
            asr.transcribe(source, CUT)


def test_sources_that_cannot_be_recognised(asr, tmp_path):
    soundfile.write(tmp_path / "zero.wav", np.zeros(0, np.float32), RATE)
    soundfile.write(tmp_path / "short.wav", np.zeros(80, np.float32), RATE)
    with pytest.raises(DataError, match=r"zero\.wav has zero samples"):
        asr.transcribe(tmp_path / "zero.wav")
    with pytest.raises(DataError, match=r"short\.wav, 0\.00 to 0\.01 s, is too short"):
        asr.transcribe(tmp_path / "short.wav")
    with pytest.raises(DataError, match="does not exist"):
        asr.transcribe(tmp_path / "none.wav")
    with pytest.raises(DataError, match="the waveform is too short"):
        asr.transcribe(np.zeros(0, np.float32))
    with pytest.raises(ConfigError, match="unknown policy"):
        asr.transcribe(make_waves([RATE])[0], policy="entropie")
