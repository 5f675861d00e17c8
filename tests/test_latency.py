"""Latency profiles: what is fitted, kept, and refused."""

import json
from dataclasses import replace

import numpy as np
import pytest

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.latency import LatencyProfile, Setting, fit

HERE = Setting("0" * 64, "cpu", "some processor", 1)
TRUE = np.array([[0.01, 0.02, 0.0], [0.012, 0.05, 0.001], [0.012, 0.08, 0.003]])
LENGTHS = (1.0, 2.0, 5.0, 10.0, 20.0)


def times(coefficients=TRUE, lengths=LENGTHS):
    return np.vander(lengths, 3, increasing=True) @ coefficients.T


@pytest.fixture
def profile():
    coefficients, margin = fit(LENGTHS, times())
    rows = tuple(map(tuple, coefficients.tolist()))
    return LatencyProfile(HERE, "2026-01-01T00:00:00+00:00", (2, 4, 6), rows, LENGTHS, margin)


def test_the_fit_finds_what_made_the_times():
    coefficients, margin = fit(LENGTHS, times())
    np.testing.assert_allclose(coefficients, TRUE, atol=1e-9)
    assert margin == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_predictions_never_fall_with_depth_or_length(seed):
    noise = np.random.default_rng(seed).lognormal(0.0, 0.3, (len(LENGTHS), 3))
    measured = times() * noise
    coefficients, margin = fit(LENGTHS, measured)
    predicted = times(coefficients, np.linspace(0.1, 60.0, 50))
    assert (np.diff(predicted, axis=0) >= 0).all() and (np.diff(predicted, axis=1) >= 0).all()
    assert margin > 1.0
    kept = (measured <= times(coefficients) * (1 + 1e-9)).mean()
    assert 0.85 <= kept <= 0.95


def test_ms_are_the_seconds(profile):
    assert profile.ms(3.0) == pytest.approx([70.0, 171.0, 279.0])
    np.testing.assert_allclose(
        1000 * profile.seconds(np.array([1.0, 3.0]))[1], profile.ms(3.0), rtol=1e-12
    )


def test_saved_and_read_again_it_is_the_same(profile, tmp_path):
    profile.save(tmp_path / "profile.json")
    assert LatencyProfile.load(tmp_path / "profile.json") == profile


@pytest.mark.parametrize(
    "damage",
    [
        lambda v: v.pop("date"),
        lambda v: v.update(format="x"),
        lambda v: v.update(more=1),
        lambda v: v["coefficients"].pop(),
        lambda v: v["coefficients"][0].pop(),
        lambda v: v["setting"].pop("cpu"),
    ],
)
def test_a_damaged_profile(damage, profile, tmp_path):
    path = tmp_path / "profile.json"
    profile.save(path)
    values = json.loads(path.read_text())
    damage(values)
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match="profile.json is no latency profile"):
        LatencyProfile.load(path)


@pytest.mark.parametrize("text", [None, "", "[]", "{"])
def test_what_is_no_profile(text, tmp_path):
    path = tmp_path / "profile.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"is no latency profile(.|\n)*espnet-ee profile"):
        LatencyProfile.load(path)


@pytest.mark.parametrize(
    "change",
    [{"checkpoint_sha256": "1"}, {"device": "a GPU"}, {"cpu": "another"}, {"threads": 2}],
)
def test_another_model_or_machine_is_refused(change, profile):
    profile.check(HERE, (2, 4, 6))
    with pytest.raises(
        ConfigError, match=f"measured for something else(.|\n)*{next(iter(change))}"
    ):
        profile.check(replace(HERE, **change), (2, 4, 6))
    with pytest.raises(ConfigError, match="layers"):
        profile.check(HERE, (2, 6))
