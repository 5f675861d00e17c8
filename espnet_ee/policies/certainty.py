"""Policies that trust a peaked posterior."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_ee.nn.alignment import likeliest, spoken_frames
from espnet_ee.nn.masks import masked_frame_mean
from espnet_ee.policies._base import Evidence, ExitPolicy


@dataclass(frozen=True)
class Entropy(ExitPolicy):
    """Minus the mean frame entropy, in nats per frame.

    Source: BranchyNet (arXiv:1709.01686); for CTC exits arXiv:2309.09546 and 2204.06328, whose
    thresholds are divided by the vocabulary size V: a published S is ``-S * V`` here.
    """

    name = "entropy"
    unit = "-nats/frame"
    reads_history = False
    score_flops_per_posterior = 3  # exp, product, sum

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``-ln V .. 0``."""
        return masked_frame_mean(negative_entropies(now), now.lengths)


@dataclass(frozen=True)
class Confidence(ExitPolicy):
    """Mean over frames of the largest posterior, blank included.

    Source: the confidence criterion of HuBERT-EE (arXiv:2204.06328).
    """

    name = "confidence"
    unit = "probability"
    reads_history = False
    score_flops_per_posterior = 1  # one comparison

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``1/V .. 1``."""
        return masked_frame_mean(largest_posteriors(now), now.lengths)


@dataclass(frozen=True)
class Margin(ExitPolicy):
    """Mean over frames of the largest posterior less the second.

    Source: the softmax response of CALM (arXiv:2207.07061), there per generated token.
    """

    name = "margin"
    unit = "probability"
    reads_history = False
    score_flops_per_posterior = 2  # two comparisons

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``0 .. 1``."""
        assert now.log_probs is not None
        first = likeliest(now.log_probs)[..., None]
        others = now.log_probs.scatter(-1, first, -torch.inf)  # quicker than topk on CPUs
        margins = largest_posteriors(now) - others.amax(dim=-1).exp()
        return masked_frame_mean(margins, now.lengths)


@dataclass(frozen=True)
class SpokenEntropy(ExitPolicy):
    """Entropy of the frames whose likeliest label is no blank; the worst, -ln V, without any.

    CTC is sure of its many blanks at every depth; where it spells, it is less so. Source: ours,
    after blank-aware confidence (Laptev and Ginsburg, arXiv:2212.08703).
    """

    name = "spoken_entropy"
    unit = "-nats/frame"
    reads_history = False
    score_flops_per_posterior = 4  # exp, product, sum, comparison

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``-ln V .. 0``."""
        assert now.log_probs is not None
        return _spoken_mean(negative_entropies(now), now, -math.log(now.log_probs.shape[-1]))


@dataclass(frozen=True)
class SpokenConfidence(ExitPolicy):
    """Largest posterior of the frames where it is no blank's; the worst, 0, without any.

    Source: as ``SpokenEntropy``.
    """

    name = "spoken_confidence"
    unit = "probability"
    reads_history = False
    score_flops_per_posterior = 1

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``0 .. 1``."""
        return _spoken_mean(now.path.log_probs.exp(), now, 0.0)


def negative_entropies(now: Evidence) -> Tensor:
    """``(B, T)`` of each frame, in nats."""
    assert now.log_probs is not None
    # log_softmax gives finite values, or -inf where p = 0: 0 log 0 counts as 0.
    return now.log_probs.exp().mul_(now.log_probs.clamp(min=-1e4)).sum(dim=-1)


def largest_posteriors(now: Evidence) -> Tensor:
    """``(B, T)`` of each frame."""
    assert now.log_probs is not None
    return now.log_probs.amax(dim=-1).exp()


def _spoken_mean(values: Tensor, now: Evidence, silent: float) -> Tensor:
    """Mean over the frames that spell something; ``silent`` where none does.

    An empty text is no reason to stop: shallow exits of hard utterances say nothing.
    """
    spoken = spoken_frames(now.labels)
    count = spoken.sum(dim=1)
    mean = values.masked_fill(~spoken, 0.0).sum(dim=1) / count.clamp(min=1)
    return mean.masked_fill(count == 0, silent)
