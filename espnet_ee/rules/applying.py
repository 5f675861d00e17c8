"""Rules on scored sets: their scores beside those of the policies they read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.record_format import GREEDY, RecordedPolicy
from espnet_ee.rules._base import Rule
from espnet_ee.scored_set import LAYER, ScoredSet
from espnet_ee.scoring import FloatArray, IntArray


def rule_scores(scored: ScoredSet, rule: Rule) -> FloatArray:
    """Scores of all exits, ``(U, E)``.

    Raises:
        ConfigError: The record lacks a policy that the rule needs.
    """
    check_scores(scored, rule.needs)
    columns = [
        rule.score(exit, {name: scored.scores[name][:, exit] for name in rule.needs})
        for exit in range(len(scored.layers))
    ]
    return np.stack(columns, axis=1)


def with_rule(
    scored: ScoredSet,
    rule: Rule,
    scores: FloatArray | None = None,
    look_back: str | None = None,
) -> ScoredSet:
    """The set with the rule as one more policy, under its name.

    It pays what the policies pay that it reads; its own arithmetic is a few numbers per exit.

    Args:
        scored: With the scores that the rule needs.
        rule: The rule.
        scores: ``(U, E)`` to use instead of its own, as of a cross-validation.
        look_back: A policy that is scored besides.

    Raises:
        ConfigError: The record lacks a policy, or its texts are not greedy and cannot be repeated.
    """
    names = tuple(dict.fromkeys((*rule.needs, *([look_back] if look_back else []))))
    check_scores(scored, names)
    if look_back and not scored.header.decoding.startswith(GREEDY):
        raise ConfigError("Looking back repeats greedy texts.", got=scored.header.decoding)
    own = rule_scores(scored, rule) if scores is None else scores
    read = [scored.header.policies[name] for name in names if name != LAYER]
    recorded = RecordedPolicy(
        rule.unit,
        sum(policy.score_flops_per_posterior for policy in read),
        any(policy.reads_posteriors for policy in read) or look_back is not None,
        sum(policy.score_flops_per_frame for policy in read),
    )
    policies = {**scored.header.policies, rule.name: recorded}
    return replace(
        scored,
        header=replace(scored.header, policies=policies),
        scores={**scored.scores, rule.name: own},
    )


def as_good_as_last(scored: ScoredSet) -> IntArray:
    """``(U, E - 1)``: 1 where an exit has no more word errors than the last."""
    errors = scored.words.errors
    return (errors[:, :-1] <= errors[:, -1:]).astype(np.int64)


def check_scores(scored: ScoredSet, needs: Sequence[str]) -> None:
    """Refuse what no rule can be applied to.

    Raises:
        ConfigError: The record lacks a policy that the rule needs.
        DataError: There is one exit only.
    """
    missing = [name for name in needs if name not in scored.scores]
    if missing or not needs:
        raise ConfigError(
            f"The record of {scored.header.set_name} lacks scores that a rule needs.",
            got=", ".join(missing) or "no policy",
            want=", ".join(scored.scores),
        )
    if len(scored.layers) < 2:
        raise DataError(f"Set {scored.header.set_name} has one exit: there is nothing to decide.")
