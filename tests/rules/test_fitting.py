"""Gates and calibrations: numpy gives what scikit-learn gives, and they learn what there is."""

from __future__ import annotations

import json

import numpy as np
import pytest

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.rules import KINDS
from espnet_ee.rules.applying import as_good_as_last, rule_scores, with_rule
from espnet_ee.rules.curves import METHODS, fit_calibration
from espnet_ee.rules.fitting import GATES, cross_scored, fit_gate
from espnet_ee.rules.gate import Tree

FEATURES = ("p", "noise")


def auc(scores, good):
    """Share of (good, bad) pairs in the right order."""
    pairs = scores[good == 1][:, None] - scores[good == 0][None, :]
    return ((pairs > 0) + 0.5 * (pairs == 0)).mean()


@pytest.mark.parametrize("model", GATES)
def test_a_gate_finds_the_policy_that_knows(model, learnable):
    def fit(part):
        return fit_gate(part, model, FEATURES)

    good = as_good_as_last(learnable)
    scores = cross_scored(learnable, fit)
    assert auc(scores[:, 0], good[:, 0]) > 0.75
    own = rule_scores(learnable, fit(learnable))
    assert auc(own[:, 0], good[:, 0]) >= auc(scores[:, 0], good[:, 0]) - 0.02
    best = 0.0 if model == "excess" else 1.0
    assert (own[:, -1] == best).all() and np.isfinite(own).all()  # one noise score is NaN
    assert own[:, :-1].max() <= 1.0


@pytest.mark.parametrize("model", GATES)
def test_numpy_evaluates_what_scikit_learn_fitted(model, learnable, monkeypatch):
    """The fitted estimator is caught on its way, and asked the same questions."""
    from sklearn import ensemble, linear_model

    caught = []
    classes = (
        (linear_model, "LogisticRegression"),
        (ensemble, "GradientBoostingClassifier"),
        (ensemble, "GradientBoostingRegressor"),
    )
    for module, name in classes:
        original = getattr(module, name)

        class Caught(original):
            def fit(self, values, wanted):
                caught.append((self, values))
                return super().fit(values, wanted)

        monkeypatch.setattr(module, name, Caught)
    rule = fit_gate(learnable, model, FEATURES)
    [(estimator, values)] = caught
    if model == "excess":
        wanted = -estimator.predict(values)
    else:
        wanted = estimator.predict_proba(values)[:, 1]
    own = rule_scores(learnable, rule)[:, :-1]
    assert own.T.reshape(-1) == pytest.approx(wanted, abs=1e-9)


def test_a_tree_by_hand():
    # Feature 1 at most 0.5? Left leaf 10, right: feature 0 at most 2? leaves 20 and 30.
    leaf = -1
    tree = Tree((1, leaf, 0, leaf, leaf), (0.5, 0, 2.0, 0, 0), (1, 0, 3, 0, 0), (2, 0, 4, 0, 0),
                (0.0, 10.0, 0.0, 20.0, 30.0))  # fmt: skip
    features = np.array([[9.0, 0.5], [2.0, 0.6], [2.1, 0.6]])
    assert tree.predict(features).tolist() == [10.0, 20.0, 30.0]


@pytest.mark.parametrize("method", METHODS)
def test_a_calibrated_score_is_a_probability_that_comes_true(method, learnable):
    rule = fit_calibration(learnable, "p", method)
    scores, good = rule_scores(learnable, rule), as_good_as_last(learnable)
    for exit in range(2):
        column = scores[:, exit]
        assert ((column >= 0) & (column <= 1)).all()
        order = np.argsort(learnable.scores["p"][:, exit])
        assert (np.diff(column[order]) >= 0).all(), "calibration must not change the order"
        assert column.mean() == pytest.approx(good[:, exit].mean(), abs=0.08)
        surest = order[-50:]
        assert column[surest].mean() == pytest.approx(good[surest, exit].mean(), abs=0.12)
    assert (scores[:, -1] == 1.0).all()


def test_an_unknown_score_stays_unknown_when_calibrated(learnable):
    rule = fit_calibration(learnable, "noise", "sigmoid")
    assert np.isnan(rule_scores(learnable, rule)[5, 0])


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_are_all_alike_are_calibrated_to_their_share(method, learnable):
    alike = learnable.scores["p"].copy()
    alike[:, 0] = 0.7
    from dataclasses import replace

    part = replace(learnable, scores={**learnable.scores, "p": alike})
    rule = fit_calibration(part, "p", method)
    share = as_good_as_last(part)[:, 0].mean()
    tolerance = 0.01 if method == "isotonic" else 0.25  # a temperature has one number for all
    assert rule_scores(part, rule)[:, 0] == pytest.approx(np.full(200, share), abs=tolerance)


def test_a_rule_comes_back_from_json_with_the_same_scores(learnable):
    rules = [fit_gate(learnable, model, FEATURES) for model in GATES]
    rules += [fit_calibration(learnable, "p", method) for method in METHODS]
    for rule in rules:
        fields = json.loads(json.dumps(rule.fields()))
        back = KINDS[rule.kind].of_fields(fields)
        assert back == rule
        assert np.array_equal(rule_scores(learnable, back), rule_scores(learnable, rule))


def test_held_out_speakers_are_not_learnt_from(learnable):
    seen = []

    def fit(part):
        seen.append(set(part.speakers))
        return fit_gate(part, "logistic", FEATURES)

    cross_scored(learnable, fit)
    everybody = set(learnable.speakers)
    assert len(seen) == 5 and all(len(everybody - part) == 4 for part in seen)
    assert set.union(*(everybody - part for part in seen)) == everybody


def test_a_rule_pays_for_all_that_it_reads(learnable):
    rule = fit_gate(learnable, "logistic", FEATURES)
    policies = learnable.header.policies
    recorded = with_rule(learnable, rule).header.policies[rule.name]
    read = [policies[name] for name in FEATURES]
    assert recorded.score_flops_per_posterior == sum(p.score_flops_per_posterior for p in read)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda s: fit_gate(s, "oracle", FEATURES), ConfigError, "logistic, boosting, excess"),
        (lambda s: fit_gate(s, "logistic", ["hunch"]), ConfigError, "lacks scores"),
        (lambda s: fit_gate(s, "logistic", []), ConfigError, "no policy"),
        (lambda s: fit_calibration(s, "noise", "temperature"), ConfigError, "are probabilities"),
        (lambda s: fit_calibration(s, "p", "magic"), ConfigError, "isotonic"),
        (lambda s: cross_scored(s.take(np.array([0])), None), DataError, "one speaker"),
        (
            lambda s: fit_gate(s.take(np.array([0, 0])), "logistic", FEATURES),
            DataError,
            "nothing to learn",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(call, error, words, learnable):
    if words == "nothing to learn":  # both exits of the first utterance are equally good
        row = np.flatnonzero(np.ptp(as_good_as_last(learnable), axis=1) == 0)[:1]
        learnable = learnable.take(row)
    with pytest.raises(error, match=words):
        call(learnable)
