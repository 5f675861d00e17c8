"""The greedy CTC path: one label per frame, and the text it spells (Graves et al. 2006)."""

from __future__ import annotations

import torch
from torch import Tensor

from espnet_ee.nn.masks import valid_frames

BLANK = 0


def frame_labels(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """The likeliest label of each frame.

    Args:
        log_probs: ``(B, T, V)``, blank first; padding is never read.
        lengths: ``(B,)`` real frames.

    Returns:
        ``(B, T)`` int64, blank on padding.
    """
    labels = log_probs.argmax(dim=-1)
    return labels.masked_fill(~valid_frames(lengths, labels.shape[1]), BLANK)


def collapse(labels: Tensor) -> list[tuple[int, ...]]:
    """Merge repeats and drop blanks of each row of ``(B, T)``."""
    kept = spoken_frames(labels)
    kept[:, 1:] &= labels[:, 1:] != labels[:, :-1]
    labels, kept = labels.cpu(), kept.cpu()
    return [tuple(row[mask].tolist()) for row, mask in zip(labels, kept, strict=True)]


def spoken_frames(labels: Tensor) -> Tensor:
    """``(B, T)`` bool: the frames whose likeliest label is no blank."""
    return torch.ne(labels, BLANK)
