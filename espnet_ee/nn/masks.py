"""Which frames of a padded batch are real."""

from __future__ import annotations

import torch
from torch import Tensor


def valid_frames(lengths: Tensor, max_frames: int) -> Tensor:
    """Mark real frames.

    Args:
        lengths: ``(B,)`` frames per utterance.
        max_frames: ``T`` of the padded batch.

    Returns:
        ``(B, T)`` bool, true on real frames.
    """
    return torch.arange(max_frames, device=lengths.device) < lengths[:, None]


def padding_or_none(lengths: Tensor, max_frames: int) -> Tensor | None:
    """``(B, T)`` bool, true on padding, or None when the batch has no padding at all.

    None lets the blocks skip their masking: a batch of one is never padded.
    """
    if bool((lengths == max_frames).all()):
        return None
    return ~valid_frames(lengths, max_frames)


def masked_frame_mean(values: Tensor, lengths: Tensor) -> Tensor:
    """Mean over the real frames of each utterance.

    Args:
        values: ``(B, T)``, any value (NaN and infinity included) on padding.
        lengths: ``(B,)`` frames per utterance, at least 1.

    Returns:
        ``(B,)`` means.
    """
    padding = padding_or_none(lengths, values.shape[1])
    real = values if padding is None else values.masked_fill(padding, 0.0)
    return real.sum(dim=1) / lengths
