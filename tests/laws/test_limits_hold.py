"""Limits are laws too: nothing above one runs, batches change nothing, replay equals live."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
import torch
from law_tools import alike
from model_factory import VARIANTS, make_features, make_recogniser, make_waves

from espnet_ee.decoding.early_exit import decode_until_good
from espnet_ee.errors import ConfigError
from espnet_ee.host.decode_set import DecodeJob, decode_set
from espnet_ee.latency import LatencyProfile, setting_of
from espnet_ee.limits import Limits
from espnet_ee.policies import build_policy, policy_names
from espnet_ee.records import RECORD_NAME, read_record
from espnet_ee.replay import first_exit, last_exits, stop_gflops
from espnet_ee.scored_set import score_set

SAMPLES = [30000, 8000, 16001, 3900, 24000, 8000, 12345, 19999, 5000]


@pytest.fixture(scope="module", params=["plain", "calm"])
def asr(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    return make_recogniser(folder, **VARIANTS.get(request.param, {}))


@pytest.fixture(scope="module")
def waves():
    return make_waves(SAMPLES, seed=3)


@pytest.fixture
def latency(asr):
    """1, 2 and 3 ms per second of audio."""
    slopes = tuple((0.0, 0.001 * (index + 1), 0.0) for index in range(3))
    profile = LatencyProfile(
        setting_of(asr.loaded.sha256, asr.device), "2026-01-01", (2, 4, 6), slopes, (1.0,), 0.0
    )
    asr.use_latency(profile)
    yield profile
    asr.latency = None


def mixed(asr, waves):
    """Limits of every kind, a different one for each utterance, that end at different exits."""
    cheap = asr.cost_of(1.0).until(0, True)
    kinds = [
        Limits(max_layer=4),
        Limits(),
        Limits(max_layer=2),
        Limits(max_gflops_per_sec=1.02 * cheap),
        Limits(deadline_ms=2.2),
        Limits(max_layer=1),
        Limits(max_layer=6, deadline_ms=0.1),
    ]
    return [kinds[place % len(kinds)] for place in range(len(waves))]


def layer_rows(model, call):
    """Rows that enter each block."""
    rows = dict.fromkeys(range(1, 7), 0)

    def counting(layer):
        def hook(module, inputs, output):
            rows[layer] += len(inputs[0])

        return hook

    handles = [
        block.register_forward_hook(counting(layer))
        for layer, block in enumerate(model.encoder.encoders, start=1)
    ]
    try:
        results = call()
    finally:
        for handle in handles:
            handle.remove()
    return results, rows


@pytest.mark.parametrize("policy", policy_names())
def test_nothing_above_a_limit_runs(policy, asr, waves, latency):
    limits = mixed(asr, waves)
    results, rows = layer_rows(asr.model, lambda: asr(waves, policy, math.inf, limits=limits))
    assert rows == {n: sum(r.layer >= n for r in results) for n in rows}
    assert [r.layer for r in results[:3]] == [4, 6, 2]
    assert {r.layer for r in results} == {2, 4, 6}


def test_the_result_says_what_stopped_it(asr, waves, latency):
    limited = asr(waves[0], "entropy", math.inf, limits=Limits(max_layer=4))[0]
    assert (limited.layer, limited.limited, limited.exceeded) == (4, "max_layer", ())
    tight = asr(waves[0], "entropy", math.inf, limits=Limits(deadline_ms=0.1, max_layer=4))[0]
    assert (tight.layer, tight.limited, tight.exceeded) == (2, "deadline_ms", ("deadline_ms",))
    sure = asr(waves[0], "entropy", -math.inf, limits=Limits(max_layer=4))[0]
    assert (sure.layer, sure.limited, sure.exceeded) == (2, None, ())
    last = asr(waves[0], "entropy", math.inf, limits=Limits(max_layer=6))[0]
    assert (last.layer, last.limited, last.exceeded) == (6, None, ())
    assert asr(waves[0], "entropy", math.inf)[0] == last


@pytest.mark.parametrize("policy", policy_names())
def test_alone_and_in_any_batch_and_without_compaction(policy, asr, waves, latency, monkeypatch):
    limits, threshold = mixed(asr, waves), -1.1 if policy == "entropy" else 0.3
    alone = [
        asr(wave, policy, threshold, limits=own)[0] for wave, own in zip(waves, limits, strict=True)
    ]
    for size in (2, 4, 16):
        monkeypatch.setattr(asr, "batch_size", size)
        for compact in (True, False):
            together = asr(waves, policy, threshold, compact, limits)
            assert all(alike(one, other) for one, other in zip(together, alone, strict=True))


@pytest.mark.parametrize("policy", ["entropy", "patience", "layer"])
def test_one_limit_for_all_is_the_same_for_each(policy, asr, waves):
    one, each = Limits(max_layer=4), [Limits(max_layer=4)] * len(waves)
    assert asr(waves, policy, math.inf, limits=one) == asr(waves, policy, math.inf, limits=each)
    with pytest.raises(ConfigError, match=r"2 limits, 9 waveforms"):
        asr(waves, policy, math.inf, limits=[one, one])


def test_a_deadline_needs_a_profile(asr, waves):
    with pytest.raises(ConfigError, match="without a latency profile"):
        asr(waves, "entropy", 0.0, limits=Limits(deadline_ms=10))


def test_ends_are_asked_for_what_each_utterance_is(asr):
    """Across batches that are joined on the way, rows are known by their utterance."""
    last = {0: 2, 1: 0, 2: 1, 3: 2, 4: 0, 5: 1}
    batches = [make_features(frames) for frames in ([90, 33], [150, 61], [47, 75])]
    with torch.inference_mode():
        decisions = decode_until_good(
            asr.model,
            batches,
            build_policy("entropy"),
            math.inf,
            ends=lambda exit: torch.tensor(
                [last[n] <= exit.index for n in exit.utterances.tolist()]
            ),
        )
    assert [decision.exit_index for decision in decisions] == list(last.values())


@pytest.fixture(scope="module")
def data(tmp_path_factory, waves):
    folder = tmp_path_factory.mktemp("data")
    for number, wave in enumerate(waves):
        soundfile.write(folder / f"{number}.wav", np.clip(wave, -1, 1), 16000, subtype="FLOAT")
    lines = [f"spk-{number:02d} {folder}/{number}.wav" for number in range(len(waves))]
    (folder / "wav.scp").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "text").write_text("".join(f"{line.split()[0]} A B\n" for line in lines))
    return folder


LIMITS = [
    Limits(max_layer=4),
    Limits(max_layer=1),
    Limits(deadline_ms=2.2),
    "median",
]


@pytest.mark.parametrize("policy", [name for name in policy_names() if name != "layer"])
def test_replay_equals_live_and_what_asr_inference_chooses(policy, asr, waves, data, latency):
    out = data / f"{id(asr)}-{policy}"
    job = DecodeJob(data / "wav.scp", out, None, build_policy(policy), math.inf, 0)
    decode_set(asr, job)
    record = read_record(out / RECORD_NAME)
    scored = score_set(record)
    clipped = [np.clip(wave, -1, 1) for wave in waves]
    median = float(np.median(stop_gflops(scored, policy)[:, 1] / scored.seconds))
    threshold = float(np.quantile(scored.scores[policy], 0.7)) + 1e-3
    for limits in LIMITS:
        limits = Limits(max_gflops_per_sec=median) if limits == "median" else limits
        last = last_exits(scored, policy, limits, latency)
        picks = first_exit(scored.scores[policy], threshold, last)
        live = asr(clipped, policy, threshold, limits=limits)
        assert picks.tolist() == [result.exit_index for result in live]
        for pick, utterance, result in zip(picks, record.utterances, live, strict=True):
            assert utterance.exits[pick].text == result.text
        limited = DecodeJob(data / "wav.scp", out, None, job.policy, threshold, 0, limits)
        decode_set(asr, limited)
        chosen = (out / "1best_recog/text").read_text(encoding="utf-8").split("\n")[:-1]
        assert [line.partition(" ")[2].rstrip() for line in chosen] == [
            r.text.rstrip() for r in live
        ]
