"""What earlier exits showed of each utterance, in whatever batch it is now."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from espnet_ee.policies import Evidence


class History:
    """Evidence of the exits that utterances have passed."""

    def __init__(self) -> None:
        self._passed: dict[int, list[Evidence]] = defaultdict(list)  # of one row each

    def add(self, now: Evidence) -> None:
        """Remember an exit that all its utterances pass."""
        for row, utterance in enumerate(now.utterances.tolist()):
            self._passed[utterance].append(now.take(torch.tensor([row])))

    def forget(self, utterances: Tensor) -> None:
        """Drop what is known of utterances ``(B,)`` that have stopped."""
        for utterance in utterances.tolist():
            self._passed.pop(utterance, None)

    def of(self, utterances: Tensor) -> list[Evidence]:
        """The exits passed by ``utterances`` ``(B,)``, shallow first, rows in their order."""
        each = [self._passed[utterance] for utterance in utterances.tolist()]
        return [Evidence.join(exits) for exits in zip(*each, strict=True)]
