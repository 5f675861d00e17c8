"""Look-back: the exit that speaks is the surest of those seen, not always the one that stops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from espnet_ee.decoding.hypothesis import Hypothesis
from espnet_ee.decoding.timestamps import spans_of
from espnet_ee.policies import Evidence, ExitPolicy


class Said(NamedTuple):
    """What an exit said, and how sure the judge was of it."""

    score: float
    exit_index: int
    layer: int
    path: Hypothesis
    labels: Tensor  # (T,), and their log-probabilities
    log_probs: Tensor


class LookBack:
    """Remembers of each utterance what its surest exit said, by greedy CTC.

    Of equally sure exits the deepest speaks; an unknown score is the least sure. A model that
    overthinks forgets what it knew: looking back can be better than its last exit.

    Args:
        judge: Its scores compare exits of one utterance.
        timestamps: Tell when each token was said; a greedy text lies on the greedy path.
    """

    def __init__(self, judge: ExitPolicy, timestamps: bool = False) -> None:
        self._judge, self._timestamps = judge, timestamps
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
                best_path = (now.path.labels[row], now.path.log_probs[row])
                self._best[utterance] = Said(score, now.exit_index, now.layer, path, *best_path)

    def surest(self, utterance: int) -> Said:
        """Of the exits seen of an utterance, which is then forgotten."""
        said = self._best.pop(utterance)
        if not self._timestamps:
            return said
        spans = spans_of(said.labels, said.log_probs)
        return said._replace(path=replace(said.path, spans=spans))
