"""Intervals: they hold the estimate, repeat with the seed and say what was resampled."""

import numpy as np
import pytest

from espnet_ee.statistics import RESAMPLES, error_rate_intervals


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


def test_it_is_the_plain_percentile_bootstrap_over_speakers(counts):
    errors, lengths = counts
    ids = np.arange(200) % 20
    error_sums = np.array([errors[0][ids == s].sum() for s in range(20)])
    length_sums = np.array([lengths[ids == s].sum() for s in range(20)])
    drawn = np.random.default_rng(5).integers(0, 20, (RESAMPLES, 20))
    rates = error_sums[drawn].sum(axis=1) / length_sums[drawn].sum(axis=1)
    # Two-digit names: alphabetical order is numerical order.
    result = error_rate_intervals(errors, lengths, [f"s{number:02d}" for number in ids], seed=5)
    low, high = np.quantile(rates, [0.025, 0.975])
    assert result.low[0] == pytest.approx(low, rel=0.05)
    assert result.high[0] == pytest.approx(high, rel=0.05)


def test_speakers_that_differ_widen_the_interval():
    lengths = np.full(200, 10)
    errors = np.where(np.arange(200) % 4 == 0, 8, 1)[None]  # speaker s0 is hard
    by_speaker = error_rate_intervals(errors, lengths, names(4))
    by_utterance = error_rate_intervals(errors, lengths, [None] * 200)
    width = by_speaker.high - by_speaker.low
    assert width[0] > 2 * (by_utterance.high - by_utterance.low)[0]


def test_the_method_says_what_was_resampled(counts):
    assert error_rate_intervals(*counts, names(20)).method == "bootstrap over 20 speakers"
    expected = "bootstrap over 200 utterances, as fewer than 2 speakers are known"
    for speakers in ([None] * 200, ["one"] * 200, [None, *names(20)[1:]]):
        assert error_rate_intervals(*counts, speakers).method == expected


def test_one_utterance_gives_a_point():
    result = error_rate_intervals(np.array([[1]]), np.array([4]), ["s"])
    assert result.low == result.high == [0.25]


def test_perfect_and_silent_utterances_are_no_obstacle():
    result = error_rate_intervals(np.array([[0, 0, 1]]), np.array([0, 0, 2]), [None] * 3)
    assert np.isfinite(result.low).all() and result.low[0] == 0.0
