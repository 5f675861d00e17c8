"""Risk control: the path of risks, the p-value, and the promise over 1,000 simulated splits."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_ee.errors import ConfigError
from espnet_ee.replay import first_exit
from espnet_ee.rules import risk
from espnet_ee.rules.risk import betting, control_risk, excess_errors
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


def test_the_boldest_threshold_before_the_first_failure(monkeypatch):
    """One threshold at a time, with replay's own picks, as the text says it."""
    monkeypatch.setattr(risk, "_AT_ONCE", 7)
    scores, losses = (part[:120] for part in population(useful=True))
    scores[3, 1] = scores[7] = np.nan
    known = scores[:, :-1]
    best = (np.inf, 0.0)
    for threshold in sorted(set(known[np.isfinite(known)].tolist()), reverse=True):
        taken = losses[np.arange(120), first_exit(scores, threshold)]
        if betting(taken[None], 0.2, 0.9)[0] > 0.1:
            break
        best = (threshold, taken.mean())
    control = control_risk(scores, losses, 0.2, 0.9)
    assert np.isfinite(best[0]) and control.p_value <= 0.1
    assert first_exit(scores, control.threshold).tolist() == first_exit(scores, best[0]).tolist()
    assert control.risk == pytest.approx(best[1])


def test_nothing_to_decide_falls_back():
    assert control_risk(np.full((3, 2), np.nan), np.zeros((3, 2)), 0.1, 0.9).fell_back


def test_the_first_bets_by_hand():
    # Variance 1/4 before any loss; then mean (1/2 + 0) / 2 and variance (1/4 + 1/16) / 2.
    limit, stake = 0.1, 2.0 * np.log(1.0 / 0.2)
    first = min(1.0, np.sqrt(stake / (2 * 0.25)))
    second = min(1.0, np.sqrt(stake / (2 * (0.25 + 0.0625) / 2)))
    rich = (1 + first * limit) * (1 + second * limit)
    assert betting(np.zeros((1, 2)), limit, 0.8) == pytest.approx(1 / rich)
    assert betting(np.ones((1, 2)), limit, 0.8) == 1.0


def test_a_p_value_is_seldom_small_where_the_hypothesis_is_true():
    losses = np.random.default_rng(4).random((5000, 60)) < 0.1
    assert (betting(losses.astype(float), 0.1, 0.95) <= 0.05).mean() <= 0.05


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
