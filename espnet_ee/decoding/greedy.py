"""Greedy (best path) CTC decoding, batched."""

from __future__ import annotations

from torch import Tensor

from espnet_ee.decoding.hypothesis import Hypothesis
from espnet_ee.nn.alignment import best_path, collapse


def greedy_ctc(log_probs: Tensor, lengths: Tensor) -> list[Hypothesis]:
    """Best label per frame, repeats merged, blanks dropped (Graves et al. 2006).

    Args:
        log_probs: ``(B, T, V)``, blank first; padding is never read.
        lengths: ``(B,)`` real frames.
    """
    labels, best = best_path(log_probs, lengths)
    scores = best.sum(dim=1).tolist()
    return [
        Hypothesis(tokens, score) for tokens, score in zip(collapse(labels), scores, strict=True)
    ]
