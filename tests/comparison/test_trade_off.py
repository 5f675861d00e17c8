"""Trade-offs: lines between thresholds, equal costs, equal WERs, and their intervals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from record_factory import make_record

from espnet_ee.baselines import fixed_exits
from espnet_ee.comparison.trade_off import Curve, Targets, trade_offs
from espnet_ee.replay import sweep, threshold_grid
from espnet_ee.scored_set import score_set
from espnet_ee.statistics import units_of

TARGETS = Targets((0.5, 0.65, 0.8), (0.0, 0.02))


@pytest.fixture(scope="module")
def scored():
    return score_set(make_record(80, (2, 4, 6), seed=1, speakers=8))


def compared(first, second, policy="entropy", targets=TARGETS, **options):
    curves = Curve.of(first, policy), Curve.of(second, policy)
    units = units_of(first.speakers)
    return trade_offs(*curves, first.words.lengths, units, targets, **{"resamples": 500, **options})


def points_of(scored, policy):
    grid = threshold_grid(scored.scores[policy]).tolist()
    return [(point.gflops_per_second, point.wer) for point in sweep(scored, policy, grid)]


@pytest.mark.parametrize("policy", ["entropy", "confidence"])
def test_wer_at_a_cost_lies_on_the_line_between_thresholds(scored, policy):
    costs, wers = zip(*points_of(scored, policy), strict=True)
    last = fixed_exits(scored)[-1].gflops_per_second
    for point in compared(scored, scored, policy)[:3]:
        assert point.first == pytest.approx(np.interp(point.target * last, costs, wers))


def test_shares_are_of_the_last_exit_alone(scored):
    """Not of a run that scores every exit on its way, however heavy their heads are."""
    heavy = replace(scored, head_gflops=scored.head_gflops * 50)
    last = fixed_exits(heavy)[-1].gflops_per_second
    costs, wers = zip(*points_of(heavy, "entropy"), strict=True)
    assert costs[-1] > 1.5 * last
    found = compared(heavy, heavy, targets=Targets((0.9,), ()))[0]
    assert found.first == pytest.approx(np.interp(0.9 * last, costs, wers))


def test_cost_at_a_wer_is_the_least_on_the_lines(scored):
    costs, wers = map(np.array, zip(*points_of(scored, "entropy"), strict=True))
    fine = np.linspace(costs[0], costs[-1], 200_001)
    along = np.interp(fine, costs, wers)
    for point in compared(scored, scored)[3:]:
        least = fine[along <= wers[-1] + point.target + 1e-12].min()
        assert point.first == pytest.approx(least, abs=2 * (fine[1] - fine[0]))


def test_layer_mixes_fixed_exits(scored):
    fixed = fixed_exits(scored)
    costs = [point.gflops_per_second for point in fixed]
    found = compared(scored, scored, "layer", Targets((0.7,), ()))[0]
    expected = np.interp(0.7 * costs[-1], costs, [point.wer for point in fixed])
    assert found.first == pytest.approx(expected)


def test_a_system_does_not_differ_from_itself(scored):
    for point in compared(scored, scored):
        assert point.difference == point.low == point.high == 0.0


def cheaper(scored, factor):
    parts = ("body_gflops", "head_gflops", "text_gflops")
    header = replace(scored.header, vocab_size=0)  # scoring is not scaled
    costs = {name: getattr(scored, name) * factor for name in parts}
    return replace(scored, header=header, **costs)


def test_the_same_texts_at_half_the_cost(scored):
    whole, half = cheaper(scored, 1.0), cheaper(scored, 0.5)
    for point in compared(whole, half):
        if point.equal == "WER":
            assert point.second == pytest.approx(point.first / 2)
            for value in (point.difference, point.low, point.high):
                assert value == pytest.approx(-0.5)
    at_full_cost = compared(whole, half, targets=Targets((1.0, 0.75), ()))
    last = fixed_exits(whole)[-1].wer
    assert [point.second for point in at_full_cost] == pytest.approx([last, last])


def test_what_is_out_of_reach_has_no_figures(scored):
    half, whole = cheaper(scored, 0.3), cheaper(scored, 1.0)
    point = compared(half, whole, targets=Targets((0.5,), ()))[0]
    assert np.isfinite(point.first)
    assert np.isnan([point.second, point.difference, point.low, point.high]).all()


def test_one_exit_has_one_cost(scored):
    single = score_set(make_record(80, (6,), seed=1, speakers=8))
    assert len(Curve.of(single, "layer").errors) == 1
    for policy in ("layer", "entropy"):
        curve = Curve.of(single, policy)
        words, units = single.words.lengths, units_of(single.speakers)
        found = trade_offs(curve, curve, words, units, TARGETS, resamples=200)
        cost = curve.gflops.sum(axis=1)[0] / single.seconds.sum()
        assert [point.first for point in found[3:]] == pytest.approx([cost, cost])
        assert np.isnan([point.first for point in found[:3]]).all()


def test_costs_that_fall_with_depth_do_no_harm(scored):
    text = scored.text_gflops.copy()
    text[:, 0] += 5 * scored.body_gflops[:, -1]  # a search at the first exit that takes long
    dear = replace(scored, text_gflops=text)
    points, whole = sorted(points_of(dear, "entropy")), fixed_exits(dear)[-1].gflops_per_second
    shares = (1.05 * points[0][0] / whole, 2.0)
    found = compared(dear, scored, targets=Targets(shares, (0.0,)))
    last = fixed_exits(scored)[-1]
    costs, wers = zip(*points, strict=True)
    assert costs[0] != points_of(dear, "entropy")[0][0]
    assert [point.first for point in found[:2]] == pytest.approx(
        [np.interp(share * whole, costs, wers) for share in shares]
    )
    cheapest = min(cost for cost, wer in points if wer <= last.wer)
    assert found[2].first <= cheapest * (1 + 1e-9)


def test_intervals_hold_the_estimate_and_repeat_with_the_seed(scored):
    other = score_set(make_record(80, (2, 4, 6), seed=1, speakers=8, noise=1.6))
    one, same, another = (compared(scored, other, seed=seed) for seed in (0, 0, 1))
    assert one == same and one != another
    for point in one:
        assert point.low < point.difference < point.high
