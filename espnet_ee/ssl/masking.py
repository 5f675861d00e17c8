"""Spans of masked frames or channels, as wav2vec 2.0 and HuBERT mask in training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_ee.errors import ConfigError


@dataclass(frozen=True)
class SpanMasks:
    """What is masked in training; the names are ``encoder_conf`` keys.

    Attributes:
        mask_prob: Share of frames that spans would cover without overlapping.
        mask_length: Frames per span.
        mask_channel_prob: The same for channels.
        mask_channel_length: Channels per span.

    Raises:
        ConfigError: A share outside [0, 1], or a span of no length.
    """

    mask_prob: float
    mask_length: int
    mask_channel_prob: float
    mask_channel_length: int

    def __post_init__(self) -> None:
        for name in ("mask_prob", "mask_channel_prob"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(
                    f"encoder_conf.{name} is outside 0..1.", got=repr(getattr(self, name))
                )
        for name in ("mask_length", "mask_channel_length"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"encoder_conf.{name} is too small.",
                    got=repr(getattr(self, name)),
                    want="1 or more",
                )

    def apply(self, hidden: Tensor, lengths: Tensor, embedding: Tensor | None) -> Tensor:
        """Masked frames become ``embedding`` ``(D,)``, masked channels zero.

        Args:
            hidden: ``(B, T, D)``.
            lengths: ``(B,)`` real frames.
            embedding: Needed if frames are masked.
        """
        if self.mask_prob > 0.0:
            assert embedding is not None
            frames = span_mask(lengths, hidden.shape[1], self.mask_prob, self.mask_length)
            hidden = torch.where(frames[:, :, None], embedding.to(hidden.dtype), hidden)
        if self.mask_channel_prob > 0.0:
            width = hidden.shape[2]
            channels = span_mask(
                torch.full_like(lengths, width),
                width,
                self.mask_channel_prob,
                self.mask_channel_length,
            )
            hidden = hidden.masked_fill(channels[:, None, :], 0.0)
        return hidden


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
