"""Rules over the scores of policies: combinations, calibrated scores, learned gates, thresholds."""

from __future__ import annotations

from espnet_ee.rules._base import Rule, Scores
from espnet_ee.rules.calibrated import Calibrated
from espnet_ee.rules.combination import AllOf, AnyOf, Condition, Single
from espnet_ee.rules.gate import LinearGate, TreeGate

__all__ = [
    "KINDS",
    "AllOf",
    "AnyOf",
    "Calibrated",
    "Condition",
    "LinearGate",
    "Rule",
    "Scores",
    "Single",
    "TreeGate",
]

_ALL: tuple[type[Rule], ...] = (Single, AllOf, AnyOf, Calibrated, LinearGate, TreeGate)
KINDS = {rule.kind: rule for rule in _ALL}
"""What a rule's file may name."""
