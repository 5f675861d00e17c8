"""The Conformer's convolution module, blind to padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation whose training statistics come from real frames only.

    Parameters and buffers are those of ``torch.nn.BatchNorm1d``.
    """

    def forward(self, frames: Tensor, padding: Tensor | None = None) -> Tensor:
        """Normalise.

        Args:
            frames: ``(B, D, T)``.
            padding: ``(B, T)`` bool, true on padding, or None.

        Returns:
            ``(B, D, T)``; in training, zeros on padding.
        """
        if padding is None or not self.training:
            return super().forward(frames)
        channels_last = frames.transpose(1, 2)
        normal = super().forward(channels_last[~padding])  # (real frames, D)
        out = torch.zeros_like(channels_last)
        out[~padding] = normal
        return out.transpose(1, 2)


class ConvolutionModule(nn.Module):
    """Pointwise, gated, depthwise, normalised, pointwise (Gulati et al. 2020, arXiv:2005.08100).

    Padding is zeroed before the depthwise convolution: there it would otherwise leak the
    biases of the layers before into the last frames of shorter utterances.

    Args:
        width: ``D``.
        kernel_size: Odd number of frames.
        activation: Between normalisation and the last layer.
    """

    def __init__(self, width: int, kernel_size: int, activation: nn.Module) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(width, 2 * width, 1)
        self.depthwise_conv = nn.Conv1d(
            width, width, kernel_size, padding=(kernel_size - 1) // 2, groups=width
        )
        self.norm = MaskedBatchNorm(width)
        self.pointwise_conv2 = nn.Conv1d(width, width, 1)
        self.activation = activation

    def forward(self, frames: Tensor, padding: Tensor | None) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``; ``padding`` is ``(B, T)`` bool or None."""
        gated = functional.glu(_pointwise(self.pointwise_conv1, frames), dim=-1)
        if padding is not None:
            gated = gated.masked_fill(padding[:, :, None], 0.0)
        mixed = self.depthwise_conv(gated.transpose(1, 2))  # (B, D, T)
        mixed = self.activation(self.norm(mixed, padding)).transpose(1, 2)
        return _pointwise(self.pointwise_conv2, mixed)

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        width = self.depthwise_conv.in_channels
        kernel = self.depthwise_conv.kernel_size[0]
        return 2 * frames * (3 * width * width + width * kernel)


def _pointwise(layer: nn.Conv1d, frames: Tensor) -> Tensor:
    """A kernel-1 convolution as a matrix product on ``(B, T, D)``: no transposes."""
    return functional.linear(frames, layer.weight.squeeze(-1), layer.bias)
