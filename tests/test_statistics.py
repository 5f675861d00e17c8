"""Intervals: they hold the estimate, repeat with the seed and say what was resampled."""

import math

import numpy as np
import pytest
from scipy import stats

from espnet_ee import statistics
from espnet_ee.statistics import (
    RESAMPLES,
    bootstrap_intervals,
    error_rate_intervals,
    units_of,
)


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 30, 200)
    return rng.binomial(lengths, [[0.1], [0.3]]), lengths


def names(count):
    return [f"s{index % count}" for index in range(200)]


@pytest.mark.parametrize("speakers", [names(20), [None] * 200])
def test_an_interval_holds_the_estimate(counts, speakers):
    errors, lengths = counts
    result = error_rate_intervals(errors, lengths, speakers)
    rates = errors.sum(axis=1) / lengths.sum()
    assert (result.low < rates).all() and (rates < result.high).all()


def test_the_seed_decides(counts):
    one, same, other = (error_rate_intervals(*counts, names(20), seed) for seed in (1, 1, 2))
    assert (one.low == same.low).all() and (one.high == same.high).all()
    assert (one.low != other.low).any()


def test_each_point_is_as_if_alone(counts):
    errors, lengths = counts
    both = error_rate_intervals(errors, lengths, names(20))
    alone = error_rate_intervals(errors[1:], lengths, names(20))
    assert both.low[1] == pytest.approx(alone.low[0]) and both.high[1] == pytest.approx(
        alone.high[0]
    )


@pytest.mark.parametrize("speakers", [5, 20])
def test_it_is_the_bootstrap_over_speakers_with_expanded_percentiles(counts, speakers):
    errors, lengths = counts
    ids = np.arange(200) % speakers
    error_sums = np.array([errors[0][ids == s].sum() for s in range(speakers)])
    length_sums = np.array([lengths[ids == s].sum() for s in range(speakers)])
    drawn = np.random.default_rng(5).integers(0, speakers, (RESAMPLES, speakers))
    rates = error_sums[drawn].sum(axis=1) / length_sums[drawn].sum(axis=1)
    # Two-digit names: alphabetical order is numerical order.
    result = error_rate_intervals(errors, lengths, [f"s{number:02d}" for number in ids], seed=5)
    reach = math.sqrt(speakers / (speakers - 1)) * stats.t.ppf(0.975, speakers - 1)
    low, high = np.quantile(rates, [stats.norm.cdf(-reach), stats.norm.cdf(reach)])
    assert (result.low[0], result.high[0]) == pytest.approx((low, high))


def test_the_interval_of_a_normal_mean_is_as_wide_as_students():
    count = 12
    values = np.random.default_rng(1).normal(size=count)
    found = bootstrap_intervals(
        [values], lambda sums: sums / count, units_of([None] * count), resamples=200_000
    )
    student = 2 * stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / math.sqrt(count)
    assert found.high[0] - found.low[0] == pytest.approx(student, rel=0.03)


def test_draws_in_blocks_are_the_same_draws(counts, monkeypatch):
    whole = error_rate_intervals(*counts, names(20))
    monkeypatch.setattr(statistics, "_BLOCK", 20 * 300)
    parts = error_rate_intervals(*counts, names(20))
    assert (whole.low == parts.low).all() and (whole.high == parts.high).all()


def test_draws_without_a_figure_do_not_count():
    units = units_of([None] * 6)

    def seldom_known(sums):
        return np.where(sums < 6.0, np.nan, sums)

    found = bootstrap_intervals([np.arange(6.0)], seldom_known, units)
    assert found.low[0] >= 6.0 and found.high[0] > found.low[0]


def test_speakers_that_differ_widen_the_interval():
    lengths = np.full(200, 10)
    errors = np.where(np.arange(200) % 4 == 0, 8, 1)[None]  # speaker s0 is hard
    by_speaker = error_rate_intervals(errors, lengths, names(4))
    by_utterance = error_rate_intervals(errors, lengths, [None] * 200)
    width = by_speaker.high - by_speaker.low
    assert width[0] > 2 * (by_utterance.high - by_utterance.low)[0]


def test_the_method_says_what_was_resampled(counts):
    assert error_rate_intervals(*counts, names(20)).method == (
        "bootstrap with expanded percentiles over 20 speakers"
    )
    expected = (
        "bootstrap with expanded percentiles over 200 utterances, "
        "as fewer than 2 speakers are known"
    )
    for speakers in ([None] * 200, ["one"] * 200):
        assert error_rate_intervals(*counts, speakers).method == expected
    some = error_rate_intervals(*counts, [None, *names(20)[1:]]).method
    assert some.endswith("over 200 utterances, as 1 of 200 have no speaker")
    assert "fewer than 5 are too few" in error_rate_intervals(*counts, names(4)).method


def test_one_utterance_gives_a_point():
    result = error_rate_intervals(np.array([[1]]), np.array([4]), ["s"])
    assert result.low == result.high == [0.25]


def test_perfect_and_silent_utterances_are_no_obstacle():
    result = error_rate_intervals(np.array([[0, 0, 1]]), np.array([0, 0, 2]), [None] * 3)
    assert np.isfinite(result.low).all() and result.low[0] == 0.0
