"""Reliability: bins of equal counts that part no equal probabilities."""

import numpy as np
import pytest

from espnet_ee.report.reliability import reliability


def test_promises_that_are_kept_have_no_error():
    probabilities = np.repeat([0.25, 0.5, 0.75], 40)
    good = np.concatenate([np.arange(40) < 40 * p for p in (0.25, 0.5, 0.75)]).astype(int)
    found = reliability(probabilities, good)
    assert found.predicted.tolist() == found.observed.tolist() == [0.25, 0.5, 0.75]
    assert found.error == 0.0


def test_an_error_is_the_mean_distance_over_utterances():
    found = reliability(np.array([0.9] * 30 + [0.1] * 10), np.array([1] * 15 + [0] * 25))
    assert found.error == pytest.approx((30 * 0.4 + 10 * 0.1) / 40)
    assert np.all((found.low < found.observed + 1e-12) & (found.observed - 1e-12 < found.high))


@pytest.mark.parametrize("seed", range(10))
def test_every_known_probability_is_in_one_bin(seed):
    rng = np.random.default_rng(seed)
    probabilities = np.round(rng.random(100), 1)
    probabilities[rng.random(100) < 0.2] = np.nan
    known = np.isfinite(probabilities)
    found = reliability(probabilities, rng.integers(0, 2, 100))
    assert np.all(np.diff(found.predicted) > 0)
    assert len(found.predicted) <= 8
    assert found.predicted.min() >= np.nanmin(probabilities) - 1e-12
    assert np.unique(probabilities[known]).size >= len(found.predicted)


@pytest.mark.parametrize("seed", range(10))
def test_no_bin_is_too_small(seed):
    rng = np.random.default_rng(seed)
    probabilities = np.r_[np.repeat(rng.random(3), 30), rng.random(7)]
    found = reliability(probabilities, np.ones(97, dtype=int))
    assert (
        found.low.min() > 0.5
    )  # Wilson's lower end of 5 of 5; of 4 of 4 it is 0.51, of 3 of 3 0.44


def test_nothing_known_has_no_bins():
    assert len(reliability(np.full(5, np.nan), np.ones(5, dtype=int)).predicted) == 0
