"""Fit gates to a scored development set, with scikit-learn.

What a gate learns is what replay would see: an exit's scores, and whether it had no more word
errors than the last. U utterances, E exits, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.rules._base import Rule
from espnet_ee.rules.applying import as_good_as_last, check_scores, rule_scores
from espnet_ee.rules.gate import LinearGate, Tree, TreeGate, features_of
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import FloatArray, IntArray

GATES = ("logistic", "boosting", "excess")
FOLDS = 5
FEATURES = ("entropy", "agreement", "known_words", "spelling", "brevity")
"""Certainty, change, language and length: more cost time at each exit and hardly help."""

# A hundred utterances must not be learnt by heart; releases must agree on where the minimum is.
_LOGISTIC = {"C": 0.1, "max_iter": 10_000, "tol": 1e-9}
_BOOSTING = {"n_estimators": 50, "max_depth": 2, "learning_rate": 0.1, "subsample": 0.7}


def default_features(scored: ScoredSet) -> tuple[str, ...]:
    """Of the usual features those in the record; all of its policies if it has none of them."""
    policies = scored.header.policies
    return tuple(name for name in FEATURES if name in policies) or tuple(policies)


def fit_gate(scored: ScoredSet, model: str, features: Sequence[str], seed: int = 0) -> Rule:
    """Learn from a development set.

    Args:
        scored: With the policies' scores and errors.
        model: ``logistic`` or ``boosting`` for the probability of being as good as the last exit;
            ``excess`` for word errors more than that, by boosting.
        features: Names of policies.
        seed: Of the boosting's draws.

    Raises:
        ConfigError: Unknown model or policies.
        DataError: One exit only, or its exits are all good or none: nothing to tell apart.
    """
    needs, exits = tuple(features), len(scored.layers) - 1
    if model not in GATES:
        raise ConfigError("Unknown kind of gate.", got=model, want=", ".join(GATES))
    check_scores(scored, needs)
    fill = tuple(_worst(scored.scores[name][:, :-1]) for name in needs)
    values = np.concatenate([_inputs(scored, needs, fill, exit) for exit in range(exits)])
    target = "excess" if model == "excess" else "good"
    wanted = _excess(scored) if target == "excess" else as_good_as_last(scored)
    fit = _logistic if model == "logistic" else _boosting
    facts = {"policies": needs, "fill": fill, "exits": exits, "target": target}
    rule: Rule = fit(values, wanted.T.reshape(-1), facts, seed)
    return rule


def cross_scored(scored: ScoredSet, fit: Callable[[ScoredSet], Rule]) -> FloatArray:
    """Scores of each utterance by a rule that was fitted without its speaker, ``(U, E)``.

    A threshold chosen on scores that the rule was fitted to would be too bold.
    """
    from sklearn.model_selection import GroupKFold

    groups = _groups(scored)
    folds = min(FOLDS, len(np.unique(groups)))
    if folds < 2:
        raise DataError(
            f"Set {scored.header.set_name} has one speaker: none is left to choose a threshold on.",
            fix="--fit-on RECORD of other speakers",
        )
    scores = np.empty(scored.words.errors.shape)
    for train, held_out in GroupKFold(folds).split(scores, groups=groups):
        scores[held_out] = rule_scores(scored.take(held_out), fit(scored.take(train)))
    return scores


def _groups(scored: ScoredSet) -> IntArray:
    """A number per speaker; per utterance where speakers are unknown."""
    names = [speaker or f"\0{row}" for row, speaker in enumerate(scored.speakers)]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _worst(scores: FloatArray) -> float:
    finite = scores[np.isfinite(scores)]
    return float(finite.min()) if len(finite) else 0.0


def _inputs(
    scored: ScoredSet, needs: tuple[str, ...], fill: tuple[float, ...], exit: int
) -> FloatArray:
    exits = len(scored.layers) - 1
    scores = {name: scored.scores[name][:, exit] for name in needs}
    return features_of(needs, fill, exit, exits, scores)


def _excess(scored: ScoredSet) -> IntArray:
    """``(U, E - 1)`` word errors more than the last exit's; below 0 where it overthinks."""
    errors: IntArray = scored.words.errors
    return errors[:, :-1] - errors[:, -1:]


def _two_classes(wanted: IntArray) -> None:
    if len(np.unique(wanted)) < 2:
        raise DataError(
            "All exits are as good as the last, or none is: a gate has nothing to learn.",
            fix="use more development data, or a policy without learning",
        )


def _logistic(values: FloatArray, wanted: IntArray, facts: Any, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    _two_classes(wanted)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    fitted = LogisticRegression(**_LOGISTIC).fit((values - mean) / scale, wanted)
    weights = fitted.coef_[0] / scale
    bias = float(fitted.intercept_[0] - (weights * mean).sum())
    return LinearGate(**facts, weights=tuple(map(float, weights)), bias=bias)


def _boosting(values: FloatArray, wanted: IntArray, facts: Any, seed: int) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    if facts["target"] == "good":
        _two_classes(wanted)
        fitted: Any = GradientBoostingClassifier(**_BOOSTING, random_state=seed)
        share = float(wanted.mean())
        base = float(np.log(share / (1.0 - share)))
    else:
        fitted = GradientBoostingRegressor(**_BOOSTING, random_state=seed)
        base = float(wanted.mean())
    fitted.fit(values, wanted)
    trees = tuple(_tree(stage[0].tree_) for stage in fitted.estimators_)
    return TreeGate(**facts, base=base, trees=trees)


def _tree(fitted: Any) -> Tree:
    leaf = fitted.children_left < 0
    values = _BOOSTING["learning_rate"] * fitted.value[:, 0, 0]
    columns = (
        np.where(leaf, -1, fitted.feature),
        np.where(leaf, 0.0, fitted.threshold),
        np.where(leaf, 0, fitted.children_left),
        np.where(leaf, 0, fitted.children_right),
        values,
    )
    return Tree(*(tuple(column.tolist()) for column in columns))
