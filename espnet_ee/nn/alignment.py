"""The greedy CTC path: one label per frame, and the text it spells (Graves et al. 2006)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from espnet_ee.nn.masks import valid_frames

BLANK = 0


class BestPath(NamedTuple):
    """The likeliest label of each frame.

    Attributes:
        labels: ``(B, T)`` int64, blank on padding.
        log_probs: ``(B, T)`` theirs, 0 on padding.
    """

    labels: Tensor
    log_probs: Tensor


def best_path(log_probs: Tensor, lengths: Tensor) -> BestPath:
    """The greedy path of each row.

    Args:
        log_probs: ``(B, T, V)``, blank first; padding is never read.
        lengths: ``(B,)`` real frames.
    """
    best, labels = log_probs.max(dim=-1)
    padding = ~valid_frames(lengths, labels.shape[1])
    return BestPath(labels.masked_fill(padding, BLANK), best.masked_fill(padding, 0.0))


def collapse(labels: Tensor) -> list[tuple[int, ...]]:
    """Merge repeats and drop blanks of each row of ``(B, T)``."""
    kept = spoken_frames(labels)
    kept[:, 1:] &= labels[:, 1:] != labels[:, :-1]
    labels, kept = labels.cpu(), kept.cpu()
    return [tuple(row[mask].tolist()) for row, mask in zip(labels, kept, strict=True)]


def spoken_frames(labels: Tensor) -> Tensor:
    """``(B, T)`` bool: the frames whose likeliest label is no blank."""
    return torch.ne(labels, BLANK)
