"""A rule over policies' scores, run live: the policies score, the rule joins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from espnet_ee.policies import Evidence, ExitPolicy, build_policy
from espnet_ee.policies.resources import Resources
from espnet_ee.rules import Rule, Single
from espnet_ee.rules.file import ChosenRule


class RuledPolicy(ExitPolicy):
    """What ``espnet_ee.rules`` replays, as a policy.

    Args:
        rule: Joins the scores.
        parts: The policies that it needs, in its order.
        look_back: Tells which of the exits seen speaks; None: the one where the utterance stops.
    """

    def __init__(
        self, rule: Rule, parts: Sequence[ExitPolicy], look_back: ExitPolicy | None = None
    ) -> None:
        self.rule, self.parts, self.look_back = rule, tuple(parts), look_back
        self.name, self.unit = rule.name, rule.unit
        judges = {part.name: part for part in (*parts, *([look_back] if look_back else []))}
        self._judges = tuple(judges.values())
        # Looking back repeats texts, which every exit's head has to say.
        reading = any(judge.reads_posteriors for judge in self._judges)
        self.reads_posteriors = reading or look_back is not None
        self.reads_history = any(judge.reads_history for judge in self._judges)
        self.reads_hidden = any(judge.reads_hidden for judge in self._judges)
        self.score_flops_per_posterior = sum(j.score_flops_per_posterior for j in self._judges)

    def bind(self, resources: Resources) -> ExitPolicy:
        """With all its policies bound."""
        look_back = self.look_back.bind(resources) if self.look_back else None
        return RuledPolicy(self.rule, [part.bind(resources) for part in self.parts], look_back)

    def score_flops(self, vocab_size: int, width: int) -> int:
        """All that its policies take."""
        return sum(judge.score_flops(vocab_size, width) for judge in self._judges)

    def parameters(self) -> dict[str, Any]:
        """The rule's numbers."""
        return self.rule.fields()

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in double precision, as replay computes."""
        parts = {part.name: part.score(now, history).double().cpu().numpy() for part in self.parts}
        joined = self.rule.score(now.exit_index, parts)
        return torch.from_numpy(joined.copy()).to(now.lengths.device)


def policy_of(chosen: ChosenRule) -> ExitPolicy:
    """The policy that a rule file asks for.

    Raises:
        ConfigError: It names an unknown policy.
    """
    if isinstance(chosen.rule, Single) and chosen.look_back is None:
        return build_policy(chosen.rule.policy)
    look_back = build_policy(chosen.look_back) if chosen.look_back else None
    return RuledPolicy(chosen.rule, [build_policy(name) for name in chosen.rule.needs], look_back)
