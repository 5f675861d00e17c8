"""docs/policies.md lists what is built in, and its policy of a user's own runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from espnet_ee import policies
from espnet_ee.policies import BUILT_IN, Evidence, build_policy

TEXT = (Path(__file__).resolve().parents[2] / "docs/policies.md").read_text(encoding="utf-8")


def test_the_table_has_every_policy_with_its_unit():
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ([^|]*) \|", TEXT, re.MULTILINE)
    assert rows == [(policy.name, policy.unit) for policy in BUILT_IN]


@pytest.fixture
def registry(monkeypatch):
    """Other tests must not see what the text registers."""
    monkeypatch.setattr(policies, "_REGISTRY", dict(policies._REGISTRY))


def test_a_policy_of_ones_own(registry):
    [code] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, "docs/policies.md", "exec"), {})
    log_probs = torch.tensor([[[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]]).log()
    now = Evidence(0, 2, log_probs, torch.tensor([2]), torch.tensor([0]))
    assert build_policy("speaks").score(now, []).tolist() == [0.5]
