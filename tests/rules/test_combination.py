"""Combinations by hand: margins over thresholds, unknown scores, exactly the conjunction."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_ee.rules import AllOf, AnyOf, Condition, Single

CONDITIONS = (Condition("a", 0.5), Condition("b", -1.0))
SCORES = {"a": np.array([0.9, 0.9, 0.1, 0.1, np.nan]), "b": np.array([0.0, -2.0, 0.0, -2.0, 0.0])}


def test_all_of_holds_where_every_condition_does():
    score = AllOf(CONDITIONS).score(0, SCORES)
    assert score[:4] == pytest.approx([0.4, -1.0, -0.4, -1.0]) and np.isnan(score[4])


def test_any_of_holds_where_one_does_and_is_unknown_only_without_any_score():
    score = AnyOf(CONDITIONS).score(0, SCORES)
    assert score == pytest.approx([1.0, 0.4, 1.0, -0.4, 1.0])
    unknown = {name: np.array([np.nan]) for name in SCORES}
    assert np.isnan(AnyOf(CONDITIONS).score(0, unknown)).all()


def test_a_policy_as_it_is():
    assert Single("a").score(0, SCORES) is SCORES["a"] and Single("a").needs == ("a",)


def test_names_and_needs():
    rule = AllOf((*CONDITIONS, Condition("a", 0.1)))
    assert rule.name == "all of a>=0.5, b>=-1, a>=0.1" and rule.needs == ("a", "b")
