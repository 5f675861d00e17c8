"""Law 4: dropping stopped utterances changes no result; one per utterance, in input order."""

from __future__ import annotations

import pytest
import torch
from law_tools import alike, recorded_scores, thresholds_between
from model_factory import VARIANTS, make_features, make_recogniser, make_waves

from espnet_ee.decoding.early_exit import decode_until_good
from espnet_ee.policies import build_policy, policy_names

SAMPLES = [30000, 8000, 16001, 3900, 24000, 8000, 12345, 19999, 5000]


@pytest.fixture(scope="module", params=["plain", *VARIANTS])
def asr(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("compaction")
    return make_recogniser(folder, **VARIANTS.get(request.param, {}))


@pytest.fixture(scope="module")
def waves():
    return make_waves(SAMPLES, seed=3)


@pytest.mark.parametrize("policy", policy_names())
def test_compaction_changes_nothing(policy, asr, waves):
    exits = set()
    for threshold in thresholds_between(recorded_scores(asr.all_exits(waves), policy)):
        compacted = asr(waves, policy, threshold)
        computed_on = asr(waves, policy, threshold, compact=False)
        for one, other in zip(compacted, computed_on, strict=True):
            assert alike(one, other)
            exits.add(one.exit_index)
    assert exits == {0, 1, 2}


@pytest.mark.parametrize("batch_size", [1, 2, 4, 16])
def test_results_come_in_input_order_whatever_the_batches(batch_size, asr, waves, monkeypatch):
    monkeypatch.setattr(asr, "batch_size", batch_size)
    results = asr(waves, "entropy", -1.1)
    assert [round(result.seconds * 16000) for result in results] == SAMPLES
    alone = [asr(wave, "entropy", -1.1)[0] for wave in waves]
    assert [(r.exit_index, r.text) for r in results] == [(r.exit_index, r.text) for r in alone]


def test_the_same_waveform_many_times_gives_the_same_result_each_time(asr, waves):
    results = asr([waves[2]] * 5, "entropy", -1.1)
    assert len(results) == 5 and len({(r.exit_index, r.text) for r in results}) == 1


def test_no_waveform_gives_no_result(asr):
    assert asr([]) == [] and asr.all_exits([]) == []


def test_keep_sends_on_the_chosen_rows_cut_to_the_longest(asr):
    features, lengths = make_features([150, 60, 99, 40])
    with torch.inference_mode():
        full = list(asr.model.walk(features, lengths))
        walk = asr.model.walk(features, lengths)
        kept = []
        for exit in walk:
            kept.append(exit)
            walk.keep(exit.utterances != 0)
    assert kept[1].utterances.tolist() == [1, 2, 3]
    assert kept[1].hidden.shape[1] == int(kept[1].lengths.max()) < kept[0].hidden.shape[1]
    for row, place in enumerate(kept[2].utterances.tolist()):
        n = int(kept[2].lengths[row])
        torch.testing.assert_close(
            kept[2].hidden[row, :n], full[2].hidden[place, :n], atol=1e-4, rtol=0
        )


def test_history_follows_the_active_rows(asr):
    """A policy that compares exits sees matching rows in ``history``, compacted or not."""
    features, lengths = make_features([150, 60, 99, 40, 77])
    seen = []

    class Spy(type(build_policy("entropy"))):
        reads_history = True

        def score(self, now, history):
            assert all(len(past.lengths) == len(now.lengths) for past in history)
            assert all(past.log_probs.shape == now.log_probs.shape for past in history)
            assert all(past.lengths.equal(now.lengths) for past in history)
            seen.append(len(history))
            return super().score(now, history)

    with torch.inference_mode():
        for compact in (True, False):
            decode_until_good(asr.model, features, lengths, Spy(), -1.1, compact)
    assert seen == [0, 1, 2, 0, 1, 2]
