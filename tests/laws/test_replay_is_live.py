"""Law 5: replaying a record picks the same exit, text and cost as a run that really stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
from model_factory import make_recogniser, make_waves

from espnet_ee.data.audio import read_audio
from espnet_ee.host.decode_set import DecodeJob, decode_set
from espnet_ee.policies import build_policy
from espnet_ee.records import read_record
from espnet_ee.replay import first_exit, score_set, stop_gflops

SAMPLES = [30000, 8000, 16001, 3900, 24000, 8000, 12345, 19999, 5000, 14000, 9000, 33333]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replay")
    data = folder / "data"
    data.mkdir()
    lines = {"wav.scp": [], "text": [], "utt2spk": []}
    for number, wave in enumerate(make_waves(SAMPLES, seed=7)):
        path = data / f"{number}.wav"
        soundfile.write(path, np.clip(wave, -1, 1), 16000)
        lines["wav.scp"].append(f"spk-{number:02d} {path}")
        lines["text"].append(f"spk-{number:02d} A B")
        lines["utt2spk"].append(f"spk-{number:02d} spk")
    for name, rows in lines.items():
        (data / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def asr(folder):
    return make_recogniser(folder / "exp")


@pytest.fixture(scope="module")
def record(folder, asr):
    job = DecodeJob(folder / "data/wav.scp", folder / "out", None, build_policy("layer"), 4.0, 0)
    assert decode_set(asr, job) == {}
    return read_record(folder / "out/record.jsonl.gz")


@pytest.fixture(scope="module")
def waves(folder):
    return [read_audio(folder / f"data/{n}.wav", 16000).samples for n in range(len(SAMPLES))]


def thresholds_between(scores):
    """Both infinities and values between recorded scores, where rounding cannot reach."""
    values = np.unique(scores)
    gaps = [(a + b) / 2 for a, b in zip(values, values[1:], strict=False) if b - a > 1e-3]
    return [-math.inf, *gaps[:: max(1, len(gaps) // 7)], math.inf]


@pytest.mark.parametrize("policy", ["entropy", "confidence", "layer"])
def test_replay_equals_live(policy, asr, record, waves):
    scored = score_set(record)
    reached = set()
    for threshold in thresholds_between(scored.scores[policy]):
        picks = first_exit(scored.scores[policy], threshold)
        live = asr(waves, policy, threshold)
        assert picks.tolist() == [result.exit_index for result in live]
        for pick, utterance, result in zip(picks, record.utterances, live, strict=True):
            assert utterance.exits[pick].text == result.text
            assert utterance.exits[pick].tokens == result.tokens
            assert utterance.seconds == result.seconds and utterance.frames == result.frames
        reached |= set(picks.tolist())
    assert reached == {0, 1, 2}


@pytest.mark.parametrize("policy", ["entropy", "confidence", "layer"])
def test_replayed_cost_equals_live_cost(policy, asr, record, waves):
    """A record charges every head the costliest policy's scoring; a live run charges its own."""
    scored = score_set(record)
    replayed = stop_gflops(scored, policy)
    own = build_policy(policy).score_flops_per_posterior
    costliest = build_policy("entropy").score_flops_per_posterior
    for index, layer in enumerate(asr.exit_layers):
        heads = 1 if policy == "layer" else index + 1
        live = (
            asr(waves, "layer", layer) if policy == "layer" else _stop_at(asr, waves, policy, index)
        )
        for row, result in enumerate(live):
            posteriors = result.frames * len(asr.token_list)
            surplus = heads * (costliest - own) * posteriors / 1e9
            assert replayed[row, index] == pytest.approx(result.gflops + surplus, rel=1e-9)


def _stop_at(asr, waves, policy, index):
    """Live results of a rule that costs as ``policy`` and stops at one exit."""

    class Fixed(type(build_policy(policy))):
        def score(self, now, history):
            return super().score(now, history) * 0 + now.exit_index

    return asr(waves, Fixed(), index)


def test_scores_survive_the_record(asr, record, waves):
    for utterance, result in zip(record.utterances, asr.all_exits(waves), strict=True):
        for written, exit in zip(utterance.exits, result.exits, strict=True):
            assert {"entropy", "confidence"} == set(written.scores)
            for name, score in written.scores.items():
                assert score == pytest.approx(exit.scores[name], abs=1e-4)


def test_the_files_of_each_exit_hold_the_texts_of_the_record(folder, record):
    for index, layer in enumerate(record.header.exits):
        lines = (folder / f"out/exit{layer:02d}/1best_recog/text").read_text().splitlines()
        written = dict(line.partition(" ")[::2] for line in lines)
        assert {u.utt_id: u.exits[index].text.rstrip() for u in record.utterances} == {
            key: text.rstrip() for key, text in written.items()
        }
    chosen = (folder / "out/1best_recog/text").read_text()
    assert chosen == (folder / "out/exit04/1best_recog/text").read_text()
