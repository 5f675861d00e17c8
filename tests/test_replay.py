"""Replay: laws of the stopping rule, costs, thresholds."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from record_factory import make_record, table_record

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.records import RecordedPolicy
from espnet_ee.replay import first_exit, replay, stop_gflops, sweep, threshold_grid
from espnet_ee.scored_set import policy_scores, pool, score_set


@pytest.mark.parametrize("seed", range(20))
def test_a_higher_threshold_never_exits_earlier(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(50, 6))
    scores[rng.random(scores.shape) < 0.1] = math.nan
    picks = [first_exit(scores, t) for t in (-math.inf, -0.5, 0.2, 0.5, 0.9, math.inf)]
    assert all((shallow <= deep).all() for shallow, deep in pairwise(picks))
    assert (picks[-1] == 5).all()


def test_minus_infinity_takes_the_first_exit_and_infinity_the_last():
    scores = np.random.default_rng(0).normal(size=(50, 6))
    assert (first_exit(scores, -math.inf) == 0).all()
    assert (first_exit(scores, math.inf) == 5).all()


def test_nan_never_stops_and_the_last_exit_always_does():
    scores = np.array([[math.nan, 1.0, 1.0], [math.nan, math.nan, math.nan]])
    assert first_exit(scores, -math.inf).tolist() == [1, 2]


def test_an_equal_score_stops():
    assert first_exit(np.array([[0.1, 0.5, 0.9]]), 0.5).tolist() == [1]


def test_the_scores_are_left_as_they_are():
    scores = np.zeros((2, 3))
    first_exit(scores, 1.0)
    assert (scores == 0).all()


@pytest.mark.parametrize(("shape", "threshold"), [((3, 0), 0.5), ((3,), 0.5), ((3, 2), math.nan)])
def test_no_choice_is_an_error(shape, threshold):
    with pytest.raises(ValueError, match="scores must be|threshold is NaN"):
        first_exit(np.zeros(shape), threshold)


def test_the_layer_policy_takes_the_first_exit_at_or_above():
    scores = policy_scores(make_record(3), "layer")
    assert scores.tolist() == [[2, 4, 6]] * 3
    assert [first_exit(scores, t)[0] for t in (1, 2, 3, 6, 99)] == [0, 0, 1, 2, 2]


def test_an_unknown_policy_names_those_of_the_record():
    with pytest.raises(ConfigError, match=r"got:  hunch(.|\n)*layer, entropy, confidence"):
        policy_scores(make_record(2), "hunch")


def test_a_reading_policy_pays_all_heads_and_the_layer_policy_its_own():
    scored = score_set(table_record([["a", "a", "a"]], ["a"], p=[[0.0, 0.5, 1.0]]))
    assert stop_gflops(scored, "layer").tolist() == [[2.5, 4.5, 6.5]]
    assert stop_gflops(scored, "p").tolist() == [[2.5, 5.0, 7.5]]


def test_each_policy_pays_its_own_scoring_of_every_exit_on_the_way():
    scores = [[0.0, 0.5, 1.0]]
    record = table_record([["a", "a", "a"]], ["a"], dear=scores, cheap=scores, blind=scores)
    policies = {
        "dear": RecordedPolicy("unit", 300_000, True),
        "cheap": RecordedPolicy("unit", 100_000, True),
        "blind": RecordedPolicy("unit", 50_000, False, 50_000 * 500),
    }
    header = replace(record.header, policies=policies, vocab_size=500)  # and 10 frames
    scored = score_set(replace(record, header=header))
    for policy, costs in {
        "dear": [4.0, 8.0, 12.0],
        "cheap": [3.0, 6.0, 9.0],
        "blind": [3.0, 5.5, 8.0],
        "layer": [2.5, 4.5, 6.5],
    }.items():
        assert stop_gflops(scored, policy).tolist() == [costs]
    with pytest.raises(KeyError, match="hunch"):
        stop_gflops(scored, "hunch")


def test_a_point_by_hand():
    record = table_record([["a x", "a b"], ["c", "d"]], ["a b", "c"], p=[[0.2, 0.0], [0.9, 0.0]])
    point = replay(score_set(record), "p", 0.5)  # utt0 goes on to exit 1, utt1 stops at 0
    assert point.picks.tolist() == [1, 0] and point.histogram == (1, 1)
    assert point.wer == 0 and point.cer == 0
    assert point.mean_layer == 1.5 and point.mean_exit_index == 0.5
    # utt0: 2 blocks' worth and 2 heads; utt1: one of each; 3 seconds together
    assert point.gflops_per_second == pytest.approx((4.0 + 1.0 + 2.0 + 0.5) / 3.0)


def test_cost_and_exit_rise_with_the_threshold():
    scored = score_set(make_record(60))
    points = sweep(scored, "entropy", threshold_grid(scored.scores["entropy"]).tolist())
    assert all(a.gflops_per_second <= b.gflops_per_second for a, b in pairwise(points))
    assert all(a.mean_layer <= b.mean_layer for a, b in pairwise(points))
    assert points[0].histogram == (60, 0, 0) and points[-1].histogram == (0, 0, 60)


@pytest.mark.parametrize("points", [2, 3, 10, 50, 1000])
def test_a_grid_rises_from_minus_infinity_to_infinity(points):
    scores = np.random.default_rng(1).normal(size=(100, 4))
    grid = threshold_grid(scores, points)
    assert grid[0] == -math.inf and grid[-1] == math.inf
    assert (np.diff(grid) > 0).all() and 2 <= len(grid) <= points


def test_a_grid_takes_every_score_if_they_are_few():
    scores = np.array([[1.0, 2.0, 9.0], [2.0, math.nan, 9.0]])
    assert threshold_grid(scores).tolist() == [-math.inf, 1.0, 2.0, math.inf]


def test_a_threshold_typed_from_a_table_picks_the_same_exits():
    scores = -np.random.default_rng(2).random((200, 3)) / 7
    for threshold in threshold_grid(scores)[1:-1]:
        assert float(f"{threshold:.6g}") == threshold


def test_one_threshold_is_no_grid():
    with pytest.raises(ConfigError, match="got:  1 points"):
        threshold_grid(np.zeros((2, 2)), 1)


def test_pooling_adds_utterances():
    one, two = (score_set(make_record(count, seed=count)) for count in (5, 7))
    pooled = pool([one, two])
    assert len(pooled.seconds) == 12
    errors = one.words.errors.sum() + two.words.errors.sum()
    assert pooled.words.errors.sum() == errors


def test_sets_of_different_models_do_not_pool():
    other = score_set(make_record(5, checkpoint_sha256="f" * 64, set_name="dev"))
    with pytest.raises(DataError, match="test and dev were decoded by different models"):
        pool([score_set(make_record(5)), other])


def test_a_set_without_a_word_cannot_be_scored():
    with pytest.raises(DataError, match="no reference word"):
        score_set(table_record([["a"]], [""]))


def test_a_text_is_paid_where_it_is_taken():
    """The search of the exits passed by is not run, whatever the policy reads."""
    record = make_record(6)
    costs = tuple(float(n) for n in range(len(record.header.exits)))
    searched = [replace(item, text_gflops=costs) for item in record.utterances]
    plain, paid = score_set(record), score_set(replace(record, utterances=tuple(searched)))
    for policy in ("layer", "entropy"):
        extra = stop_gflops(paid, policy) - stop_gflops(plain, policy)
        np.testing.assert_allclose(extra, [costs] * 6)


def test_texts_of_two_decoders_are_not_pooled():
    record = make_record(3)
    searched = replace(record, header=replace(record.header, decoding="attention, beam 3"))
    with pytest.raises(DataError, match="greedy CTC and attention, beam 3"):
        pool([score_set(record), score_set(searched)])
