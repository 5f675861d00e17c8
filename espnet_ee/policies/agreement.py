"""Policies that ask whether another exit would change anything: what did the last one change?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein
from torch import Tensor

from espnet_ee.nn.masks import masked_frame_mean
from espnet_ee.policies._base import Evidence, ExitPolicy, as_scores


@dataclass(frozen=True)
class Patience(ExitPolicy):
    """How many exits in a row, up to the one before this, had this exit's text.

    Threshold k: k comparisons without a change. Source: PABEE (arXiv:2006.04152); on transcripts
    Berrebbi et al. (arXiv:2211.08989). Unlike PABEE's code, no batch decides together.
    """

    name = "patience"
    unit = "exits that agree"
    score_flops_per_posterior = 1  # one comparison

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` whole numbers from 0 to the number of exits passed."""
        texts = now.texts
        going_on, counts = [True] * len(texts), [0] * len(texts)
        for before in reversed(history):
            for row, text in enumerate(before.texts):
                going_on[row] = going_on[row] and text == texts[row]
                counts[row] += going_on[row]
        return as_scores(counts, now)


@dataclass(frozen=True)
class _WithTheExitBefore(ExitPolicy):
    """How far an exit agrees with the one before; the first has nothing to agree with: 0."""

    score_flops_per_posterior = 1

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` from 0 to 1."""
        if not history:
            return as_scores([0.0] * len(now.lengths), now)
        return self.agreement(now, history[-1])

    @abstractmethod
    def agreement(self, now: Evidence, before: Evidence) -> Tensor:
        """``(B,)`` from 0 to 1, of matching rows."""


@dataclass(frozen=True)
class Agreement(_WithTheExitBefore):
    """One minus the edit distance to the text of the exit before, per token of the longer text.

    Threshold ``1 - tau`` is soft patience with tolerance tau. Source: patience of PABEE
    (arXiv:2006.04152) in its form for regression, on token sequences.
    """

    name = "agreement"
    unit = "share of tokens"

    def agreement(self, now: Evidence, before: Evidence) -> Tensor:
        """Two empty texts agree."""
        pairs = zip(now.texts, before.texts, strict=True)
        return as_scores([Levenshtein.normalized_similarity(a, b) for a, b in pairs], now)


@dataclass(frozen=True)
class Alignment(_WithTheExitBefore):
    """Share of the frames that have the label they had at the exit before, blanks included.

    Source: ours; the frame-wise form of patience (arXiv:2006.04152).
    """

    name = "alignment"
    unit = "share of frames"

    def agreement(self, now: Evidence, before: Evidence) -> Tensor:
        """Padding counts in neither."""
        return masked_frame_mean((now.labels == before.labels).float(), now.lengths)
