"""Policies that trust a peaked posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from espnet_ee.nn.masks import masked_frame_mean
from espnet_ee.policies._base import Evidence, ExitPolicy


@dataclass(frozen=True)
class Entropy(ExitPolicy):
    """Minus the mean frame entropy, in nats per frame.

    Source: BranchyNet (arXiv:1709.01686); for CTC exits arXiv:2309.09546 and 2204.06328, whose
    thresholds are divided by the vocabulary size V: a published S is ``-S * V`` here.
    """

    name: ClassVar[str] = "entropy"
    unit: ClassVar[str] = "-nats/frame"
    reads_history: ClassVar[bool] = False
    score_flops_per_posterior: ClassVar[int] = 3  # exp, product, sum

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``-ln V .. 0``."""
        assert now.log_probs is not None
        # log_softmax gives finite values, or -inf where p = 0: 0 log 0 counts as 0.
        negative_entropy = (now.log_probs.exp() * now.log_probs.clamp(min=-1e4)).sum(dim=-1)
        return masked_frame_mean(negative_entropy, now.lengths)


@dataclass(frozen=True)
class Confidence(ExitPolicy):
    """Mean over frames of the largest posterior, blank included.

    Source: the confidence criterion of HuBERT-EE (arXiv:2204.06328).
    """

    name: ClassVar[str] = "confidence"
    unit: ClassVar[str] = "probability"
    reads_history: ClassVar[bool] = False
    score_flops_per_posterior: ClassVar[int] = 1  # one comparison

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``1/V .. 1``."""
        assert now.log_probs is not None
        return masked_frame_mean(now.log_probs.amax(dim=-1).exp(), now.lengths)
