"""Law 5: replaying a record picks the same exit, text and cost as a run that really stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import soundfile
from law_tools import thresholds_between
from model_factory import VARIANTS, make_recogniser, make_waves
from torch import Tensor

from espnet_ee.data.audio import read_audio
from espnet_ee.host.decode_set import DecodeJob, decode_set
from espnet_ee.policies import Evidence, ExitPolicy, build_policy, policy_names
from espnet_ee.records import RECORD_NAME, RecordedPolicy, read_record
from espnet_ee.replay import first_exit, stop_gflops
from espnet_ee.scored_set import score_set

SAMPLES = [30000, 8000, 16001, 3900, 24000, 8000, 12345, 19999, 5000, 14000, 9000, 33333]


@pytest.fixture(scope="module", params=["plain", "calm"])
def kind(request):
    """Of the model; exits of a calm one agree at times, so that patience has a choice."""
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
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
def asr(kind, folder):
    return make_recogniser(folder / "exp", **VARIANTS.get(kind, {}))


@pytest.fixture(scope="module")
def record(folder, asr):
    job = DecodeJob(folder / "data/wav.scp", folder / "out", None, build_policy("layer"), 4.0, 0)
    assert decode_set(asr, job) == {}
    return read_record(folder / "out" / RECORD_NAME)


@pytest.fixture(scope="module")
def waves(folder):
    return [read_audio(folder / f"data/{n}.wav", 16000).samples for n in range(len(SAMPLES))]


@pytest.mark.parametrize("policy", policy_names())
def test_replay_equals_live(policy, kind, asr, record, waves):
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
    compares_exits = build_policy(policy).reads_history
    assert reached >= ({0, 1, 2} if compares_exits == (kind == "calm") else {0, 2})


@pytest.mark.parametrize("policy", policy_names())
def test_replayed_cost_equals_live_cost_to_the_last_bit(policy, asr, record, waves):
    scored = score_set(record)
    replayed = stop_gflops(scored, policy)
    for threshold in thresholds_between(scored.scores[policy]):
        for row, result in enumerate(asr(waves, policy, threshold)):
            assert replayed[row, result.exit_index] == result.gflops


@dataclass(frozen=True)
class Frames(ExitPolicy):
    """A rule that nobody registered: deep exits for long utterances, without posteriors."""

    name = "frames"
    unit = "exits per frame"
    reads_posteriors = False
    reads_history = False

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        return (now.exit_index + 1) / now.lengths


def test_the_policy_of_the_job_is_recorded_though_nobody_registered_it(folder, asr, waves):
    job = DecodeJob(folder / "data/wav.scp", folder / "frames", None, Frames(), 0.12, 0)
    decode_set(asr, job)
    scored = score_set(read_record(folder / "frames" / RECORD_NAME))
    assert scored.header.policies["frames"] == RecordedPolicy("exits per frame", 0, False)
    live = asr(waves, Frames(), 0.12)
    picks = first_exit(scored.scores["frames"], 0.12)
    assert picks.tolist() == [result.exit_index for result in live]
    assert set(picks.tolist()) == {0, 1, 2}
    costs = stop_gflops(scored, "frames")[np.arange(len(picks)), picks]
    assert costs.tolist() == [result.gflops for result in live]
    chosen = (folder / "frames/1best_recog/text").read_text().split("\n")[:-1]
    assert [line.partition(" ")[2] for line in chosen] == [result.text for result in live]


def test_scores_survive_the_record(asr, record, waves):
    for utterance, result in zip(record.utterances, asr.all_exits(waves), strict=True):
        for written, exit in zip(utterance.exits, result.exits, strict=True):
            assert set(written.scores) == set(policy_names()) - {"layer"}
            for name, score in written.scores.items():
                assert score == pytest.approx(exit.scores[name], abs=1e-4)


def test_the_files_of_each_exit_hold_the_texts_of_the_record(folder, record):
    for index, layer in enumerate(record.header.exits):
        lines = (folder / f"out/exit{layer:02d}/1best_recog/text").read_text().split("\n")[:-1]
        written = dict(line.partition(" ")[::2] for line in lines)
        assert {u.utt_id: u.exits[index].text.rstrip() for u in record.utterances} == {
            key: text.rstrip() for key, text in written.items()
        }
    chosen = (folder / "out/1best_recog/text").read_text()
    assert chosen == (folder / "out/exit04/1best_recog/text").read_text()
