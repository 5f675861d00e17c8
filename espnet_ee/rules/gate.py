"""A learned gate: many policies' scores and the exit's number to one score.

scikit-learn fits it (``espnet_ee.rules.fitting``); here it is evaluated with numpy alone.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from espnet_ee.rules._base import Rule, Scores
from espnet_ee.rules.calibrated import UNIT
from espnet_ee.scoring import FloatArray


def features_of(
    needs: tuple[str, ...], fill: tuple[float, ...], exit_index: int, exits: int, scores: Scores
) -> FloatArray:
    """What a gate reads at one exit.

    Args:
        needs: The policies.
        fill: What stands for each policy's unknown or infinite score.
        exit_index: From 0.
        exits: How many a gate judges: all but the last.
        scores: Of the policies.

    Returns:
        ``(U, F)``: the scores, then a 1 in the column of the exit.
    """
    columns = [scores[policy] for policy in needs]
    known = [np.where(np.isfinite(c), c, worst) for c, worst in zip(columns, fill, strict=True)]
    which = [np.full(len(known[0]), float(exit_index == place)) for place in range(exits)]
    # In single precision, as scikit-learn's trees compare.
    return np.stack([*known, *which], axis=1).astype(np.float32).astype(np.float64)


@dataclass(frozen=True)
class _Gate(Rule):
    """What gates share.

    Attributes:
        policies: Those whose scores it reads.
        fill: What stands for each one's unknown score: the worst that training saw.
        exits: It judges so many exits: all but the last.
        target: ``good``, as good as the last exit; ``excess``, word errors more than that.
    """

    policies: tuple[str, ...]
    fill: tuple[float, ...]
    exits: int
    target: str

    @property
    def judges(self) -> int:
        """Those it learned from."""
        return self.exits

    @property
    def needs(self) -> tuple[str, ...]:
        """All its policies."""
        return self.policies

    @property
    def unit(self) -> str:
        """Of what it predicts."""
        return UNIT if self.target == "good" else "-excess errors"

    def score(self, exit_index: int, scores: Scores) -> FloatArray:
        """``(U,)``; the best there is at the last exit."""
        if exit_index >= self.exits:
            best = 1.0 if self.target == "good" else 0.0
            return np.full(len(scores[self.needs[0]]), best)
        values = self.predict(features_of(self.needs, self.fill, exit_index, self.exits, scores))
        return 1.0 / (1.0 + np.exp(-values)) if self.target == "good" else -values

    @abstractmethod
    def predict(self, features: FloatArray) -> FloatArray:
        """``(U, F)`` to ``(U,)``: log-odds or excess errors."""

    def fields(self) -> dict[str, Any]:
        """All its numbers."""
        return asdict(self)


@dataclass(frozen=True)
class LinearGate(_Gate):
    """Log-odds as a weighted sum.

    Attributes:
        weights: Of each feature, as it comes.
        bias: Added to their sum.
    """

    weights: tuple[float, ...]
    bias: float

    kind = "linear_gate"
    name = "logistic gate"

    def predict(self, features: FloatArray) -> FloatArray:
        """``(U, F)`` to ``(U,)``."""
        # Row by row, so that neighbours cannot change the last bit.
        total: FloatArray = (features * np.array(self.weights)).sum(axis=1) + self.bias
        return total

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Rule:
        """The reverse of ``fields``."""
        gate = cls(
            **_common(fields), weights=_floats(fields["weights"]), bias=float(fields["bias"])
        )
        if len(gate.weights) != len(gate.policies) + gate.exits:
            raise ValueError("a gate has a weight for each policy and exit")
        return gate


class Tree(NamedTuple):
    """A regression tree; node 0 is the root, a leaf has no feature (-1)."""

    features: tuple[int, ...]
    thresholds: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    values: tuple[float, ...]

    def predict(self, features: FloatArray) -> FloatArray:
        """``(U, F)`` to ``(U,)``: go left while the feature is at most the threshold."""
        split, limit = np.array(self.features), np.array(self.thresholds)
        left, right = np.array(self.left), np.array(self.right)
        rows, nodes = np.arange(len(features)), np.zeros(len(features), dtype=np.int64)
        while (split[nodes] >= 0).any():
            low = features[rows, split[nodes]] <= limit[nodes]
            nodes = np.where(split[nodes] < 0, nodes, np.where(low, left[nodes], right[nodes]))
        return np.array(self.values)[nodes]


@dataclass(frozen=True)
class TreeGate(_Gate):
    """A sum of trees (gradient boosting).

    Attributes:
        base: What the trees add to.
        trees: Their values already scaled by the learning rate.
    """

    base: float
    trees: tuple[Tree, ...]

    kind = "tree_gate"

    @property
    def name(self) -> str:
        """By what it predicts."""
        return "boosted gate" if self.target == "good" else "excess gate"

    def predict(self, features: FloatArray) -> FloatArray:
        """``(U, F)`` to ``(U,)``."""
        return sum(
            (tree.predict(features) for tree in self.trees), np.full(len(features), self.base)
        )

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Rule:
        """The reverse of ``fields``."""
        trees = tuple(_tree(tree) for tree in fields["trees"])
        return cls(**_common(fields), base=float(fields["base"]), trees=trees)


def _common(fields: dict[str, Any]) -> dict[str, Any]:
    """What all gates have, checked: people may edit the file."""
    policies, fill = tuple(map(str, fields["policies"])), _floats(fields["fill"])
    if isinstance(fields["policies"], str) or len(policies) != len(fill):
        raise ValueError("a gate has a list of policies and as many fills")
    known = {"policies": policies, "fill": fill, "exits": int(fields["exits"])}
    return {**known, "target": str(fields["target"])}


def _floats(values: Any) -> tuple[float, ...]:
    return tuple(map(float, values))


def _tree(parts: Any) -> Tree:
    features, thresholds, left, right, values = parts
    tree = Tree(
        tuple(map(int, features)),
        _floats(thresholds),
        tuple(map(int, left)),
        tuple(map(int, right)),
        _floats(values),
    )
    inner = [node for node, feature in enumerate(tree.features) if feature >= 0]
    if any(min(tree.left[node], tree.right[node]) <= node for node in inner):
        raise ValueError("a node's children come behind it")
    return tree
