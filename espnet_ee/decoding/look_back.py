"""Look-back: the exit that speaks is the surest of those seen, not always the one that stops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from espnet_ee.decoding.hypothesis import Hypothesis
from espnet_ee.policies import Evidence, ExitPolicy


class Said(NamedTuple):
    """What an exit said, and how sure the judge was of it."""

    score: float
    exit_index: int
    layer: int
    path: Hypothesis


class LookBack:
    """Remembers of each utterance what its surest exit said, by greedy CTC.

    Of equally sure exits the deepest speaks; an unknown score is the least sure. A model that
    overthinks forgets what it knew: looking back can be better than its last exit.

    Args:
        judge: Its scores compare exits of one utterance.
    """

    def __init__(self, judge: ExitPolicy) -> None:
        self._judge = judge
        self._best: dict[int, Said] = {}

    def see(self, now: Evidence, history: Sequence[Evidence]) -> None:
        """Take note of an exit."""
        scores = self._judge.score(now, history).tolist()
        log_probs = now.path.log_probs.sum(dim=1).tolist()
        for row, utterance in enumerate(now.utterances.tolist()):
            score = -math.inf if math.isnan(scores[row]) else scores[row]
            best = self._best.get(utterance)
            if best is None or score >= best.score:
                path = Hypothesis(now.texts[row], log_probs[row])
                self._best[utterance] = Said(score, now.exit_index, now.layer, path)

    def surest(self, utterance: int) -> Said:
        """Of the exits seen of an utterance, which is then forgotten."""
        return self._best.pop(utterance)
