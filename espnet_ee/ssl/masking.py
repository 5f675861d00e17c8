"""Spans of masked frames or channels, as wav2vec 2.0 and HuBERT mask in training."""

from __future__ import annotations

import torch
from torch import Tensor


def span_mask(lengths: Tensor, size: int, rate: float, span: int) -> Tensor:
    """Mark spans that may overlap (arXiv:2006.11477, section 3.1).

    About ``rate * n / span`` spans start at distinct places, so that fewer than ``rate`` of the
    ``n`` real positions are masked: spans overlap. The fraction of a span is drawn.

    Args:
        lengths: ``(B,)`` real positions of each row.
        size: ``T``.
        rate: Share of positions that spans would cover without overlapping.
        span: Positions per span.

    Returns:
        ``(B, T)`` bool on the device of ``lengths``, true where masked; only real positions are.
    """
    mask = torch.zeros(len(lengths), size, dtype=torch.bool)
    for row, real in zip(mask, lengths.tolist(), strict=True):
        places = max(1, real - span + 1)
        count = min(places, int(rate * real / span + torch.rand(()).item()))
        starts = torch.randperm(places)[:count]
        inside = (starts[:, None] + torch.arange(span)).flatten()
        row[inside[inside < real]] = True
    return mask.to(lengths.device)
