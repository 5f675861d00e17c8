"""Policies that ask whether deeper blocks still change frames, by more than their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from espnet_ee.nn.masks import masked_frame_mean
from espnet_ee.policies._base import Evidence, ExitPolicy, as_scores

WINDOW = 3  # exits


@dataclass(frozen=True)
class Window(ExitPolicy):
    """Least posterior of a frame's label over the last three exits, 0 where labels differ; mean.

    The first exit has no window: 0. Source: the confidence window of ELBERT (arXiv:2107.00175),
    whose exits stay on one side of a binary decision by a margin; here the sides are the labels.
    Its further cases, a narrow range and a steady trend, say no more once labels agree.
    """

    name = "window"
    unit = "probability"
    score_flops_per_posterior = 1  # one comparison

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``0 .. 1``."""
        if not history:
            return as_scores([0.0] * len(now.lengths), now)
        least, same = now.path.log_probs, torch.ones_like(now.labels, dtype=torch.bool)
        for before in history[1 - WINDOW :]:
            least = torch.minimum(least, before.path.log_probs)
            same = same & (now.labels == before.labels)
        return masked_frame_mean(least.exp() * same, now.lengths)


@dataclass(frozen=True)
class Cosine(ExitPolicy):
    """Cosine of a frame's hidden states here and at the exit before; mean; -1 at the first.

    Source: Zaiem et al. (arXiv:2303.06740), whose mean is over the batch and its padding; here
    every utterance has its own. Their layers are neighbours; here exits are.
    """

    name = "cosine"
    unit = "cosine"
    reads_posteriors = False
    reads_hidden = True
    score_flops_per_hidden = 6  # three dot products

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``-1 .. 1``."""
        if not history:
            return as_scores([-1.0] * len(now.lengths), now)
        before = history[-1].hidden
        assert now.hidden is not None and before is not None
        cosines = functional.cosine_similarity(now.hidden, before, dim=-1)
        return masked_frame_mean(cosines, now.lengths)
