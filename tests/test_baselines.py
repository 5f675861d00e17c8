"""Baselines: the mix is a hull, the oracle is a bound."""

import math

import numpy as np
import pytest
from record_factory import make_record, table_record

from espnet_ee.baselines import (
    fixed_exits,
    mix_hull,
    mix_wer,
    overthinking,
    safe_oracle,
    safe_picks,
)
from espnet_ee.replay import operating_point
from espnet_ee.scored_set import score_set

SEEDS = range(8)


@pytest.fixture(params=SEEDS)
def scored(request):
    return score_set(make_record(60, exits=(2, 4, 6, 8), seed=request.param))


def test_a_fixed_exit_is_the_whole_set_at_one_exit(scored):
    for index, point in enumerate(fixed_exits(scored)):
        assert (point.picks == index).all()
        assert point.wer == scored.words.errors[:, index].sum() / scored.words.lengths.sum()


def test_the_mix_is_never_worse_than_a_fixed_exit_of_its_cost(scored):
    fixed = fixed_exits(scored)
    hull = mix_hull(fixed)
    assert all(mix_wer(hull, p.gflops_per_second) <= p.wer + 1e-12 for p in fixed)
    assert set(hull) <= {(p.gflops_per_second, p.wer) for p in fixed}


def test_the_mix_falls_and_flattens(scored):
    hull = mix_hull(fixed_exits(scored))
    costs, wers = np.array(hull).T
    assert (np.diff(costs) > 0).all() and (np.diff(wers) < 0).all()
    assert (np.diff(np.diff(wers) / np.diff(costs)) > 0).all()


def test_the_mix_is_what_drawing_exits_at_random_gives(scored):
    rng = np.random.default_rng(0)
    fixed = fixed_exits(scored)
    hull = mix_hull(fixed)
    (left_cost, left_wer), (right_cost, right_wer) = hull[0], hull[1]
    ends = [[(p.gflops_per_second, p.wer) for p in fixed].index(point) for point in hull[:2]]
    draws = [
        operating_point(scored, rng.choice(ends, p=[0.3, 0.7], size=60), "layer")
        for _ in range(400)
    ]
    cost = np.mean([draw.gflops_per_second for draw in draws])
    wer = np.mean([draw.wer for draw in draws])
    assert cost == pytest.approx(0.3 * left_cost + 0.7 * right_cost, rel=0.01)
    assert wer == pytest.approx(mix_wer(hull, 0.3 * left_cost + 0.7 * right_cost), rel=0.05)
    assert right_wer < wer < left_wer


def test_the_mix_leaves_out_an_exit_above_the_line():
    record = table_record([["x y z v", "x y z d", "a b c d"]], ["a b c d"])
    assert [wer for _, wer in mix_hull(fixed_exits(score_set(record)))] == [1.0, 0.0]


def test_the_mix_is_unknown_below_the_cheapest_exit_and_flat_above_the_best():
    hull = [(1.0, 0.5), (2.0, 0.1)]
    assert math.isnan(mix_wer(hull, 0.9))
    assert mix_wer(hull, 1.5) == pytest.approx(0.3)
    assert mix_wer(hull, 7.0) == 0.1


def test_the_oracle_is_never_worse_than_the_last_exit(scored):
    oracle, last = safe_oracle(scored), fixed_exits(scored)[-1]
    assert oracle.wer <= last.wer
    assert oracle.gflops_per_second <= last.gflops_per_second
    assert math.isnan(oracle.threshold) and oracle.policy == "safe oracle"


def test_the_oracle_takes_the_earliest_exit_that_is_safe(scored):
    errors = scored.words.errors
    for row, pick in enumerate(safe_picks(scored)):
        assert errors[row, pick] <= errors[row, -1]
        assert (errors[row, :pick] > errors[row, -1]).all()


def test_overthinking_counts_strictly_better_exits():
    record = table_record(
        [["a", "a", "b"], ["b", "b", "b"], ["b", "b", "a"], ["b", "a", "a"]], ["a"] * 4
    )
    shares = overthinking(score_set(record))
    assert shares.strictly_better == 0.25 and shares.no_worse == 0.75


def test_one_exit_leaves_nothing_to_overthink():
    scored = score_set(table_record([["a"]], ["b"]))
    shares = overthinking(scored)
    assert (shares.strictly_better, shares.no_worse) == (0.0, 0.0)
    assert safe_oracle(scored).wer == fixed_exits(scored)[0].wer
