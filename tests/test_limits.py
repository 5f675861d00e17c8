"""Limits: the deepest exit they allow, and what they refuse."""

import math

import numpy as np
import pytest
from record_factory import make_record

from espnet_ee.errors import ConfigError
from espnet_ee.limits import Allowance, Limits, allow
from espnet_ee.replay import first_exit, last_exits, replay, stop_gflops
from espnet_ee.scored_set import score_set

LAYERS, COSTS, MS = (2, 4, 6), (0.1, 0.2, 0.3), (10.0, 20.0, 30.0)


@pytest.mark.parametrize(
    ("limits", "allowance"),
    [
        ({}, Allowance(2)),
        ({"max_layer": 6}, Allowance(2)),
        ({"max_layer": 5}, Allowance(1, "max_layer")),
        ({"max_layer": 1}, Allowance(0, "max_layer", ("max_layer",))),
        ({"max_gflops_per_sec": 0.2}, Allowance(1, "max_gflops_per_sec")),
        ({"max_gflops_per_sec": 0.19}, Allowance(0, "max_gflops_per_sec")),
        ({"deadline_ms": 29.9}, Allowance(1, "deadline_ms")),
        ({"deadline_ms": 30.0}, Allowance(2)),
        ({"max_layer": 4, "deadline_ms": 15.0}, Allowance(0, "deadline_ms")),
        (
            {"max_gflops_per_sec": 0.05, "deadline_ms": 5.0, "max_layer": 6},
            Allowance(0, "max_gflops_per_sec", ("max_gflops_per_sec", "deadline_ms")),
        ),
    ],
)
def test_the_deepest_exit_within_all_limits(limits, allowance):
    assert allow(Limits(**limits), LAYERS, COSTS, MS) == allowance


def test_a_model_with_one_exit_is_never_limited_but_may_exceed():
    assert allow(Limits(max_layer=2), (6,), (0.3,)) == Allowance(0, None, ("max_layer",))


def test_an_exit_behind_one_that_is_too_dear_is_not_taken():
    """A rich head may make a lower exit dearer than the next; every exit on the way must do."""
    assert allow(Limits(max_gflops_per_sec=0.2), LAYERS, (0.1, 0.3, 0.2)).last == 0


def test_a_deadline_needs_times():
    with pytest.raises(
        ConfigError, match=r"deadline_ms=20 without a latency profile(.|\n)*espnet-ee"
    ):
        allow(Limits(deadline_ms=20), LAYERS, COSTS)


@pytest.mark.parametrize(
    "limits", [{"max_layer": 0}, {"max_gflops_per_sec": -1.0}, {"deadline_ms": math.nan}]
)
def test_limits_that_are_none(limits):
    [name] = limits
    with pytest.raises(ConfigError, match=f"positive, finite number(.|\n)*{name}"):
        Limits(**limits)


@pytest.fixture(scope="module")
def scored():
    return score_set(make_record(60))


@pytest.mark.parametrize("policy", ["layer", "entropy"])
@pytest.mark.parametrize("threshold", [-math.inf, -0.2, 4.0, math.inf])
def test_replay_stops_at_the_limit_or_before(scored, policy, threshold):
    free = first_exit(scored.scores[policy], threshold)
    assert (
        replay(scored, policy, threshold, limits=Limits(max_layer=4)).picks == free.clip(max=1)
    ).all()
    costs = stop_gflops(scored, policy) / scored.seconds[:, None]
    most = float(np.median(costs[:, 1]))
    limits = Limits(max_gflops_per_sec=most)
    last = last_exits(scored, policy, limits)
    assert set(last) == {0, 1}
    picks = replay(scored, policy, threshold, limits=limits).picks
    assert (picks == np.minimum(free, last)).all()
    assert (costs[np.arange(len(picks)), picks] <= most).all()
