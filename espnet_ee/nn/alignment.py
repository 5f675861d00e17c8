"""The greedy CTC path: one label per frame, and the text it spells (Graves et al. 2006)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from espnet_ee.nn.masks import padding_or_none

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
    labels, best = likeliest(log_probs), log_probs.amax(dim=-1)
    padding = padding_or_none(lengths, labels.shape[1])
    if padding is None:
        return BestPath(labels, best)
    return BestPath(labels.masked_fill(padding, BLANK), best.masked_fill(padding, 0.0))


def likeliest(log_probs: Tensor) -> Tensor:
    """``(B, T, V)`` to ``(B, T)`` int64, the first of equals; numpy is ten times as quick."""
    if log_probs.device.type == "cpu" and log_probs.dtype != torch.bfloat16:
        return torch.from_numpy(log_probs.detach().numpy().argmax(axis=-1))
    return log_probs.argmax(dim=-1)


def collapse(labels: Tensor) -> list[tuple[int, ...]]:
    """Merge repeats and drop blanks of each row of ``(B, T)``."""
    rows = labels.cpu().numpy()
    kept = rows != BLANK
    kept[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    return [tuple(row[mask].tolist()) for row, mask in zip(rows, kept, strict=True)]


def spoken_frames(labels: Tensor) -> Tensor:
    """``(B, T)`` bool: the frames whose likeliest label is no blank."""
    return torch.ne(labels, BLANK)
