"""Law 4: dropping stopped utterances changes no result; one per utterance, in input order."""

from __future__ import annotations

import math

import pytest
import torch
from law_tools import alike, exits_within, recorded_scores, thresholds_between
from model_factory import VARIANTS, make_features, make_recogniser, make_waves

from espnet_ee.decoding.early_exit import decode_until_good
from espnet_ee.nn.masks import masked_frame_mean
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
    exits, scores = set(), recorded_scores(asr.all_exits(waves), policy)
    for threshold in thresholds_between(scores):
        compacted = asr(waves, policy, threshold)
        computed_on = asr(waves, policy, threshold, compact=False)
        for one, other in zip(compacted, computed_on, strict=True):
            assert alike(one, other)
            exits.add(one.exit_index)
    assert exits == exits_within(scores, thresholds_between(scores)) >= {0, 2}


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
        full = list(asr.model.walk([(features, lengths)]))
        walk = asr.model.walk([(features, lengths)])
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


def test_what_is_left_of_several_batches_goes_on_in_fewer(asr):
    """... of the same size at most, and its hidden states are those of each batch alone."""
    batches = [make_features(frames) for frames in ([150, 60, 99], [40, 77, 120], [90, 61])]
    with torch.inference_mode():
        alone = [list(asr.model.walk([batch])) for batch in batches]
        walk = asr.model.walk(batches)
        groups = []
        for exit in walk:
            groups.append((exit.index, exit.utterances.tolist()))
            for row, place in enumerate(exit.utterances.tolist()):
                n = int(exit.lengths[row])
                own = alone[place // 3][exit.index].hidden[place % 3, :n]
                torch.testing.assert_close(exit.hidden[row, :n], own, atol=1e-4, rtol=0)
            walk.keep(exit.utterances % 2 == 0)
    assert groups[:3] == [(0, [0, 1, 2]), (0, [3, 4, 5]), (0, [6, 7])]
    assert [index for index, _ in groups[3:]] == [1, 1, 2, 2]
    assert all(len(rows) <= 3 for _, rows in groups)
    assert sorted(groups[3][1] + groups[4][1]) == [0, 2, 4, 6]


def test_no_batch_grows_beyond_the_largest_that_entered(asr):
    """Long utterances alone in their batches stay so, however many rows there is room for."""
    batches = [make_features([150]), make_features([140]), make_features([20, 21, 22, 23])]
    with torch.inference_mode():
        exits = [(exit.index, exit.utterances.tolist()) for exit in asr.model.walk(batches)]
    assert exits[3:6] == [(1, [0]), (1, [1]), (1, [2, 3, 4, 5])]


def test_history_follows_the_active_rows(asr):
    """A policy that compares exits sees matching rows in ``history``, compacted or not."""
    features, lengths = make_features([150, 60, 99, 40, 77])
    seen = []

    class Spy(type(build_policy("entropy"))):
        reads_history = True

        def score(self, now, history):
            assert all(len(past.lengths) == len(now.lengths) for past in history)
            assert all(past.labels.shape == now.labels.shape for past in history)
            assert all(past.lengths.equal(now.lengths) for past in history)
            assert all(past.utterances.equal(now.utterances) for past in history)
            seen.append(len(history))
            return super().score(now, history)

    with torch.inference_mode():
        for compact in (True, False):
            decode_until_good(asr.model, [(features, lengths)], Spy(), -1.1, compact)
    assert seen == [0, 1, 2, 0, 1, 2]


class Steadiness(type(build_policy("entropy"))):
    """How likely the labels of the exit before are now; unknown at the first."""

    reads_history = True

    def score(self, now, history):
        if not history:
            return torch.full((len(now.lengths),), torch.nan)
        kept = now.log_probs.gather(-1, history[-1].labels[:, :, None]).squeeze(-1)
        return masked_frame_mean(kept, now.lengths)


@pytest.mark.parametrize("compact", [True, False])
def test_history_follows_each_utterance_into_other_batches(asr, compact):
    parts = [[150, 60, 99], [40, 77, 120], [90, 61, 88]]
    batches = [make_features(part, seed=seed) for seed, part in enumerate(parts)]
    with torch.inference_mode():
        unstopped = [
            decode_until_good(asr.model, [batch], Steadiness(), math.inf) for batch in batches
        ]
        scores = sorted(decision.score for batch in unstopped for decision in batch)
        for threshold in (-math.inf, (scores[3] + scores[4]) / 2, math.inf):
            alone = [
                decision
                for batch in batches
                for decision in decode_until_good(asr.model, [batch], Steadiness(), threshold)
            ]
            pooled = decode_until_good(asr.model, batches, Steadiness(), threshold, compact)
            taken = [(decision.exit_index, decision.path.tokens) for decision in pooled]
            assert taken == [(decision.exit_index, decision.path.tokens) for decision in alone]
