"""The bandit: UCB1 by hand, rewards by hand, the same stream gives the same plays."""

import math

import numpy as np
import pytest
from record_factory import make_record

from espnet_ee.bandit import Confidence, ThresholdBandit, prices_for
from espnet_ee.errors import ConfigError
from espnet_ee.replay import replay, stop_gflops
from espnet_ee.scored_set import score_set
from espnet_ee.streams import Outcome, replay_stream, stream_order


@pytest.fixture(scope="module")
def dev():
    return score_set(make_record(200))


@pytest.fixture(scope="module")
def test_set():
    return score_set(make_record(200, seed=1))


def test_confidence_is_a_rank(dev):
    confidence = Confidence(dev, "entropy")
    scores = np.sort(dev.scores["entropy"].ravel())
    assert confidence(scores[0] - 1) == 0.0 and confidence(scores[-1]) == 1.0
    assert confidence(math.nan) == 0.0
    assert confidence(float(np.median(scores))) == pytest.approx(0.5, abs=0.01)
    assert confidence(confidence.score(0.3) + 1e-6) == pytest.approx(0.3, abs=0.01)
    reached = (dev.scores["entropy"] >= confidence.score(0.3)).mean()
    assert reached == pytest.approx(0.7, abs=0.01)


def test_rewards_are_gains_less_their_price(dev):
    bandit = ThresholdBandit(dev, "entropy", 0.5)
    confidence = Confidence(dev, "entropy")
    costs = stop_gflops(dev, "entropy").mean(axis=0)
    path = (-1.0, -0.2, -0.05)
    assert bandit.reward(Outcome(path[:1], 1.0, 1.0)) == 0.0
    middle = 0.5 * (costs[1] - costs[0]) / (costs[2] - costs[0])
    gain = confidence(-0.2) - confidence(-1.0)
    assert bandit.reward(Outcome(path[:2], 1.0, 1.0)) == pytest.approx(gain - middle)
    gain = confidence(-0.05) - confidence(-1.0)
    assert bandit.reward(Outcome(path, 1.0, 1.0)) == pytest.approx(gain - 0.5)


def test_it_plays_each_arm_once_and_then_by_ucb1(dev, test_set):
    bandit = ThresholdBandit(dev, "entropy", 0.3, arms=4, exploration=0.7)
    assert bandit.thresholds == sorted(bandit.thresholds)
    rewards: list[list[float]] = [[] for _ in range(4)]
    for step, row in enumerate(stream_order(200, 120, seed=0).tolist()):
        bonus = [0.7 * math.sqrt(math.log(step) / len(r)) if r else math.inf for r in rewards]
        wanted = max(range(4), key=lambda arm: (np.mean(rewards[arm] or [0]) + bonus[arm], -arm))
        assert bandit.arm == wanted
        outcome = Outcome(tuple(test_set.scores["entropy"][row, : 1 + row % 3]), 1.0, 1.0)
        rewards[wanted].append(bandit.reward(outcome))
        bandit.observe([outcome])
    assert bandit.plays.tolist() == [len(r) for r in rewards]
    np.testing.assert_allclose(bandit.means, [np.mean(r) for r in rewards])


def test_utterances_of_a_call_share_an_arm(dev, test_set):
    bandit = ThresholdBandit(dev, "entropy", 0.3, arms=3)
    order = stream_order(200, 60, seed=0)
    result = replay_stream(test_set, "entropy", bandit, order, call_size=5)
    assert bandit.plays.sum() == 60 and (bandit.plays % 5 == 0).all()
    assert (result.thresholds.reshape(12, 5) == result.thresholds[::5, None]).all()


def test_the_same_stream_gives_the_same_decisions(dev, test_set):
    def decide():
        bandit = ThresholdBandit(dev, "confidence", 0.3)
        return replay_stream(test_set, "confidence", bandit, stream_order(200, 300, seed=3))

    one, other = decide(), decide()
    assert (one.thresholds == other.thresholds).all() and (one.picks == other.picks).all()


def test_it_finds_what_pays(dev, test_set):
    """Free depth: the deepest arm; depth at any price: the shallowest."""
    for price, arm in ((0.0, 9), (5.0, 0)):
        bandit = ThresholdBandit(dev, "entropy", price)
        replay_stream(test_set, "entropy", bandit, stream_order(200, 2000, seed=0))
        assert int(bandit.plays.argmax()) == arm


def test_a_price_for_a_cost(dev):
    order = stream_order(200, 400, seed=0)
    first, last = (replay(dev, "entropy", t).gflops_per_second for t in (-math.inf, math.inf))
    target = (first + last) / 2
    (price,) = prices_for(dev, "entropy", [target], order=order)
    cost = replay_stream(dev, "entropy", ThresholdBandit(dev, "entropy", price), order).mean_cost
    assert cost == pytest.approx(target, rel=0.1)


def test_nothing_to_choose_from(dev):
    with pytest.raises(ConfigError, match=r"something to choose from(.|\n)*3 exits, 1 arms"):
        ThresholdBandit(dev, "entropy", 0.1, arms=1)
    with pytest.raises(ConfigError, match="1 exits"):
        ThresholdBandit(score_set(make_record(5, exits=(6,))), "entropy", 0.1)


def test_a_stream_has_each_row_as_often_as_the_others():
    order = stream_order(7, 30, seed=0)
    counts = np.bincount(order)
    assert len(order) == 30 and counts.max() - counts.min() == 1
    assert (order == stream_order(7, 30, seed=0)).all()
    assert (order != stream_order(7, 30, seed=1)).any()
