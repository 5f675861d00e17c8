"""The controller: what it promises on any stream, by any policy, whatever changes."""

import math
from dataclasses import replace

import numpy as np
import pytest
from record_factory import make_record

from espnet_ee.controller import CostController, CostCurve
from espnet_ee.errors import ConfigError
from espnet_ee.records import RecordedPolicy
from espnet_ee.replay import replay, stop_gflops
from espnet_ee.scored_set import LAYER, pool, score_set
from espnet_ee.streams import FixedThreshold, Outcome, replay_stream

COARSE = {"few": RecordedPolicy("two values", 1, True), "blind": RecordedPolicy("NaN", 1, True)}
POLICIES = ("entropy", "confidence", "few", LAYER)


def scored_of(noise, seed):
    record = make_record(300, seed=seed, noise=noise)
    scored = score_set(record)
    policies = {**record.header.policies, **COARSE}
    few = (scored.scores["entropy"] > -0.1).astype(float)
    blind = np.full_like(few, math.nan)
    return replace(
        scored,
        header=replace(scored.header, policies=policies),
        scores={**scored.scores, "few": few, "blind": blind},
    )


@pytest.fixture(scope="module")
def dev():
    return scored_of(1.0, seed=0)


@pytest.fixture(scope="module")
def stream():
    """Easy ones, then hard ones."""
    return pool([scored_of(0.5, seed=1), scored_of(2.5, seed=2)])


def target_of(curve, share):
    return float(curve.costs[0] + share * (curve.costs[-1] - curve.costs[0]))


@pytest.mark.parametrize("policy", ["entropy", "confidence", LAYER])
def test_the_curve_is_replay(dev, policy):
    curve = CostCurve.of(dev, policy)
    for threshold, cost in zip(curve.thresholds[::40], curve.costs[::40], strict=True):
        assert cost == pytest.approx(replay(dev, policy, threshold).gflops_per_second)
    assert curve.threshold(0.0) == -math.inf and curve.threshold(math.inf) == math.inf
    for position in np.linspace(curve.costs[0], curve.costs[-1], 20):
        threshold = curve.threshold(position)
        assert replay(dev, policy, threshold).gflops_per_second <= position * (1 + 1e-12)


@pytest.mark.parametrize("call_size", [1, 7])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_mean_cost_is_the_target_up_to_a_constant_over_the_length(
    dev, stream, policy, share, call_size
):
    curve = CostCurve.of(dev, policy)
    target = target_of(curve, share)
    controller = CostController(curve, target, call_size=call_size)
    order = range(len(stream.seconds))
    result = replay_stream(stream, policy, controller, order, call_size)
    over = result.costs.sum() - target * result.seconds.sum()
    # Summed up, overspending is the way the position went...
    call_sec = call_size * curve.mean_sec
    assert over == pytest.approx(
        (target - controller.position) * call_sec / controller.gain, rel=1e-6
    )
    # ... which stays on the curve, but for one step.
    rates = stop_gflops(stream, policy) / stream.seconds[:, None]
    step = (
        controller.gain * (rates.max() - rates.min()) * call_size * stream.seconds.max() / call_sec
    )
    assert curve.costs[0] - step <= controller.position <= curve.costs[-1] + step
    assert result.mean_cost == pytest.approx(target, rel=0.05)


@pytest.mark.parametrize("policy", ["entropy", "confidence"])
def test_a_step_of_difficulty_moves_the_fixed_threshold_but_not_the_controller(dev, stream, policy):
    curve = CostCurve.of(dev, policy)
    target = target_of(curve, 0.5)
    drift = {}
    for chooser in (CostController(curve, target), FixedThreshold(curve.threshold(target))):
        result = replay_stream(stream, policy, chooser, range(len(stream.seconds)))
        halves = [slice(0, 300), slice(300, 600)]
        means = [result.costs[half].sum() / result.seconds[half].sum() for half in halves]
        drift[type(chooser)] = max(abs(mean / target - 1) for mean in means)
    assert drift[CostController] < 0.05 < 0.1 < drift[FixedThreshold]


def test_after_an_overload_it_comes_back_soon(dev):
    """While every exit costs too much nothing can be held; that debt is not paid for long."""
    curve = CostCurve.of(dev, "entropy")
    target = target_of(curve, 0.5)
    controller = CostController(curve, target)
    for _ in range(1000):
        controller.observe([Outcome((0.0,), 10 * target * 2.0, 2.0)])
    assert controller.threshold == -math.inf
    result = replay_stream(dev, "entropy", controller, [*range(300)] * 2)
    late = slice(100, None)
    assert result.costs[late].sum() / result.seconds[late].sum() == pytest.approx(target, rel=0.05)


def test_a_target_out_of_reach_names_the_range(dev):
    curve = CostCurve.of(dev, "entropy")
    for target in (0.9 * curve.costs[0], 1.1 * curve.costs[-1], math.nan):
        with pytest.raises(ConfigError, match=rf"no threshold(.|\n)*{curve.costs[0]:.4g}(.|\n)*to"):
            CostController(curve, target)


def test_a_policy_that_never_stops_has_one_cost(dev):
    curve = CostCurve.of(dev, "blind")
    assert curve.costs[0] == curve.costs[-1] == replay(dev, "blind", math.inf).gflops_per_second
    with pytest.raises(ConfigError, match="no threshold can hold"):
        CostController(curve, 0.9 * curve.costs[0])


@pytest.mark.parametrize("gain", [0.0, 1.5, math.nan])
def test_a_gain_out_of_range(dev, gain):
    curve = CostCurve.of(dev, "entropy")
    with pytest.raises(ConfigError, match="gain is out of range"):
        CostController(curve, target_of(curve, 0.5), gain=gain)


def test_other_costs_than_gflops(dev, stream):
    """Real-time factors: seconds of computing, here a tenth of the layers per second."""
    times = [np.outer(s.seconds, 0.1 * s.layers) for s in (dev, stream)]
    curve = CostCurve.of(dev, "entropy", times[0])
    assert curve.costs[0] == pytest.approx(0.2) and curve.costs[-1] == pytest.approx(0.6)
    order = range(len(stream.seconds))
    controller = CostController(curve, 0.4)
    result = replay_stream(stream, "entropy", controller, order, costs=times[1])
    assert result.mean_cost == pytest.approx(0.4, rel=0.05)
