"""Linear layers with weights packed once for oneDNN: inference on CPUs, in full float32.

torch's own float32 products go through MKL, which runs AVX2 code on AMD processors; oneDNN with
packed weights uses all of AVX-512 there. Torch's compiler freezes weights by the same operators.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

FUSED = {nn.SiLU: "swish", nn.ReLU: "relu"}  # activations that oneDNN applies to a product at once
# Hints only, a packed weight serves any number of frames: which layout multiplies fastest at 60 to
# 1000 frames differs between narrow and wide layers.
TYPICAL_ROWS, WIDE_ROWS, WIDE = 64, 256, 1024


class PointwiseConv(nn.Conv1d):
    """A kernel-1 convolution on ``(B, T, D)``: a linear layer under a convolution's name."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__(width_in, width_out, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """``(B, T, D_in)`` to ``(B, T, D_out)``."""
        return functional.linear(frames, self.weight.squeeze(-1), self.bias)


class PackedLinear(nn.Module):
    """An inference-only linear layer; not differentiable, not saved.

    Args:
        weight: ``(D_out, D_in)`` float32 on the CPU.
        bias: ``(D_out,)`` or None.
        activation: What follows, as oneDNN calls it, see ``FUSED``.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: str = "none") -> None:
        super().__init__()
        self._activation = activation
        self.out_features: int = weight.shape[0]
        self.in_features: int = weight.shape[1]
        self._bias = None if bias is None else bias.detach()
        rows = WIDE_ROWS if self.out_features >= WIDE else TYPICAL_ROWS
        with torch.no_grad():
            self._packed = torch.ops.mkldnn._reorder_linear_weight(
                weight.detach().contiguous(), rows
            )

    def forward(self, frames: Tensor, onto: Tensor | None = None) -> Tensor:
        """``(..., D_in)`` to ``(..., D_out)``, added to ``onto``, of the latter shape, if given."""
        product = torch.ops.mkldnn._linear_pointwise
        weights = (self._packed, self._bias)
        if onto is not None:
            summed: Tensor = product.binary(frames, onto, *weights, "add")
            return summed
        out: Tensor = product(frames, *weights, self._activation, [], "")
        return out


def project(linear: nn.Module, frames: Tensor, onto: Tensor | None) -> Tensor:
    """The last layer of a branch; a packed one adds its output to ``onto`` in passing."""
    out: Tensor = linear(frames) if onto is None else linear(frames, onto)
    return out


class PackedConv2d(nn.Module):
    """An inference-only convolution of many channels, as one product over patches, and a ReLU.

    Args:
        conv: Square kernel, unpadded, not grouped, float32 on the CPU.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.kernel, self.stride = conv.kernel_size[0], conv.stride[0]
        by_patch = conv.weight.permute(0, 2, 3, 1).flatten(1)  # (C_out, K * K * C_in)
        self.product = PackedLinear(by_patch, conv.bias, FUSED[nn.ReLU])

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, C_in, T, F)`` to ``(B, C_out, T', F')``, both in channels-last layout."""
        rows = maps.permute(0, 2, 3, 1).contiguous()  # (B, T, F, C)
        out: Tensor = self.product(self._patches(rows).flatten(3))
        return out.permute(0, 3, 1, 2)

    def _patches(self, rows: Tensor) -> Tensor:
        """``(B, T, F, C)`` to a view ``(B, T', F', K, K * C)``: neighbouring bins lie together."""
        batch, frames, bins, channels = rows.shape
        kernel, stride = self.kernel, self.stride
        counts = [(size - kernel) // stride + 1 for size in (frames, bins)]
        frame = bins * channels
        return rows.as_strided(
            (batch, *counts, kernel, kernel * channels),
            (frames * frame, stride * frame, stride * channels, frame, 1),
        )


class Packable(ABC):
    """A module whose products are no linear layers: it packs them itself."""

    @abstractmethod
    def pack(self) -> None:
        """Replace weights by packed ones, in place; called once, where ``can_pack`` holds."""


def can_pack(model: nn.Module) -> bool:
    """Whether every parameter is float32 on a CPU that oneDNN serves."""
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and all(p.device.type == "cpu" and p.dtype == torch.float32 for p in model.parameters())
    )


def pack_for_inference(model: nn.Module) -> bool:
    """Replace linear layers by packed ones, in place; ``model`` can no longer train or be saved.

    Returns:
        False, with a log line, where packing does not apply (a GPU, bf16): the model is unchanged.
    """
    if not can_pack(model):
        logging.getLogger(__name__).info("weights not packed: not a float32 CPU model")
        return False
    for parent in list(model.modules()):
        if isinstance(parent, Packable):
            parent.pack()
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                setattr(parent, name, PackedLinear(child.weight, child.bias))
            elif type(child) is PointwiseConv:
                setattr(parent, name, PackedLinear(child.weight.squeeze(-1), child.bias))
    return True


def _linear_flops(
    frames: Sequence[int], *_rest: Any, out_shape: Sequence[int], **_named: Any
) -> int:
    return 2 * math.prod(frames) * out_shape[-1]


# For torch.utils.flop_counter, which does not know the packed operator.
PACKED_FLOPS: dict[Any, Callable[..., int]] = (
    {torch.ops.mkldnn._linear_pointwise: _linear_flops}
    if hasattr(torch.ops.mkldnn, "_linear_pointwise")
    else {}
)
