"""The Conformer's convolution module, blind to padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from espnet_ee.nn.packed import Packable, PointwiseConv, project


class MaskedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation whose training statistics come from real frames only.

    Parameters and buffers are those of ``torch.nn.BatchNorm1d``.
    """

    def forward(self, frames: Tensor, padding: Tensor | None = None) -> Tensor:
        """Normalise.

        Args:
            frames: ``(B, T, D)``.
            padding: ``(B, T)`` bool, true on padding, or None.

        Returns:
            ``(B, T, D)``; in training, zeros on padding.
        """
        if padding is None or not self.training:
            return super().forward(frames.flatten(0, 1)).view_as(frames)
        out = torch.zeros_like(frames)
        out[~padding] = super().forward(frames[~padding])  # (real frames, D)
        return out


class DepthwiseConv(nn.Conv1d):
    """A depthwise convolution over time that takes and returns ``(B, T, D)``.

    Run as a two-dimensional one in channels-last layout, which is what ``(B, T, D)`` already is in
    memory: on CPUs 20 to 50 times faster than the one-dimensional kernel, and no transposes.
    """

    def __init__(self, width: int, kernel_size: int) -> None:
        super().__init__(width, width, kernel_size, padding=(kernel_size - 1) // 2, groups=width)

    def forward(self, frames: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``."""
        plane = frames.transpose(1, 2).unsqueeze(2)  # (B, D, 1, T), channels last
        mixed = functional.conv2d(
            plane,
            self.weight.unsqueeze(2),
            self.bias,
            padding=(0, self.kernel_size[0] // 2),
            groups=self.groups,
        )
        return mixed.squeeze(2).transpose(1, 2)

    @torch.no_grad()
    def absorb(self, norm: nn.BatchNorm1d) -> None:
        """Do the work of a normalisation that follows and is not trained any more."""
        assert norm.running_var is not None and norm.running_mean is not None
        assert self.bias is not None
        gain = norm.weight / (norm.running_var + norm.eps).sqrt()
        self.weight *= gain[:, None, None]
        self.bias.copy_((self.bias - norm.running_mean) * gain + norm.bias)


class ConvolutionModule(nn.Module, Packable):
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
        self.pointwise_conv1 = PointwiseConv(width, 2 * width)
        self.depthwise_conv = DepthwiseConv(width, kernel_size)
        self.norm: MaskedBatchNorm | None = MaskedBatchNorm(width)
        self.pointwise_conv2 = PointwiseConv(width, width)
        self.activation = activation

    def forward(self, frames: Tensor, padding: Tensor | None, onto: Tensor | None = None) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``; ``padding`` is ``(B, T)`` bool; ``onto``: ``project``."""
        gated = functional.glu(self.pointwise_conv1(frames), dim=-1)
        if padding is not None:
            gated = gated.masked_fill(padding[:, :, None], 0.0)
        mixed = self.depthwise_conv(gated)
        if self.norm is not None:
            mixed = self.norm(mixed, padding)
        return project(self.pointwise_conv2, self.activation(mixed), onto)

    def pack(self) -> None:
        """See ``Packable``: the normalisation joins the convolution before it."""
        assert self.norm is not None
        self.depthwise_conv.absorb(self.norm)
        self.norm = None

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        width = self.depthwise_conv.in_channels
        kernel = self.depthwise_conv.kernel_size[0]
        return 2 * frames * (3 * width * width + width * kernel)
