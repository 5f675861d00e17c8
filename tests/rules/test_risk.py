"""Risk control: the path of risks, the p-value, and the promise over 1,000 simulated splits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from espnet_ee.errors import ConfigError
from espnet_ee.replay import first_exit
from espnet_ee.rules.risk import control_risk, excess_errors, hoeffding_bentkus, risk_path
from espnet_ee.scored_set import ScoredSet

UTTERANCES, EXITS, SPLITS = 2000, 4, 1000


def population(useful, seed=0):
    """Scores and losses of many utterances; useless scores know nothing of the losses."""
    rng = np.random.default_rng(seed)
    depth = np.array([0.5, 0.3, 0.15])
    hard = rng.random(UTTERANCES)
    losses = np.zeros((UTTERANCES, EXITS))
    wrong = rng.random((UTTERANCES, EXITS - 1)) < 2 * depth * hard[:, None]
    losses[:, :-1] = wrong * rng.uniform(0.1, 0.6, wrong.shape)
    noise = rng.normal(size=(UTTERANCES, EXITS))
    scores = 0.2 * noise - losses - 0.3 * hard[:, None] if useful else noise
    return scores, losses


def true_risk(scores, losses, threshold):
    return losses[np.arange(len(losses)), first_exit(scores, threshold)].mean()


def test_the_path_has_the_risk_of_replay_at_every_threshold():
    rng = np.random.default_rng(1)
    scores, losses = rng.normal(size=(50, 4)).round(1), rng.random((50, 4))
    scores[3, 1] = scores[7] = np.nan
    thresholds, risks = risk_path(scores, losses)
    assert (np.diff(thresholds) < 0).all() and len(thresholds) > 10
    for threshold, risk in zip(thresholds, risks, strict=True):
        assert risk == pytest.approx(true_risk(scores, losses, threshold))
    between = (thresholds[1:] + thresholds[:-1]) / 2  # nothing changes until the next is reached
    for threshold, risk in zip(between, risks, strict=False):
        assert risk == pytest.approx(true_risk(scores, losses, threshold))


def test_nothing_to_decide_is_no_path():
    thresholds, risks = risk_path(np.full((3, 2), np.nan), np.zeros((3, 2)))
    assert len(thresholds) == len(risks) == 0
    assert control_risk(np.full((3, 2), np.nan), np.zeros((3, 2)), 0.1, 0.9).fell_back


def test_the_p_value_is_that_of_the_papers():
    # Of 100 losses of 0, limit 0.05: Hoeffding gives (1 - 0.05)^100, Bentkus e times that.
    assert hoeffding_bentkus(np.array([0.0]), 100, 0.05) == pytest.approx(0.95**100)
    assert hoeffding_bentkus(np.array([0.2]), 100, 0.05) == 1.0
    bentkus = np.e * binom.cdf(2, 100, 0.05)
    divergence = 0.02 * np.log(0.02 / 0.05) + 0.98 * np.log(0.98 / 0.95)
    expected = min(bentkus, np.exp(-100 * divergence))
    assert hoeffding_bentkus(np.array([0.02]), 100, 0.05) == pytest.approx(expected)


@pytest.mark.parametrize(("limit", "confidence"), [(0.03, 0.9), (0.05, 0.95), (0.1, 0.8)])
def test_the_promise_is_kept_over_a_thousand_splits(limit, confidence):
    scores, losses = population(useful=True)
    rng = np.random.default_rng(2)
    exceeded = saved = 0
    for _ in range(SPLITS):
        drawn = rng.integers(0, UTTERANCES, 300)
        control = control_risk(scores[drawn], losses[drawn], limit, confidence)
        exceeded += true_risk(scores, losses, control.threshold) > limit
        saved += not control.fell_back
    assert exceeded / SPLITS <= 1.0 - confidence
    assert saved / SPLITS > 0.9, "a promise that never lets anybody stop is worth nothing"


def test_a_useless_score_falls_back_to_the_last_exit():
    scores, losses = population(useful=False)
    rng = np.random.default_rng(3)
    fell_back = exceeded = 0
    for _ in range(SPLITS):
        drawn = rng.integers(0, UTTERANCES, 300)
        control = control_risk(scores[drawn], losses[drawn], 0.005, 0.95)
        fell_back += control.fell_back
        exceeded += true_risk(scores, losses, control.threshold) > 0.005
    assert fell_back / SPLITS > 0.95 and exceeded / SPLITS <= 0.05


def test_excess_errors_are_shares_of_the_words_and_never_negative(scored):
    losses = excess_errors(scored)
    assert isinstance(scored, ScoredSet)
    assert losses.tolist() == [[0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]


@pytest.mark.parametrize(("limit", "confidence"), [(0.0, 0.9), (1.0, 0.9), (0.1, 1.0), (0.1, 0.0)])
def test_a_promise_without_limit_or_doubt_is_refused(limit, confidence):
    with pytest.raises(ConfigError, match="between|above 0 and below 1"):
        control_risk(np.zeros((2, 2)), np.zeros((2, 2)), limit, confidence)
