"""Training on CPUs with few kernels: oneDNN makes one per layer and shape, and keeps so many."""

from __future__ import annotations

import os

from torch import Tensor
from torch.nn import functional

PRIMITIVES = 16384  # kernels to keep; oneDNN's own number, 1024, is used up within an epoch
LENGTH_STEP = 64  # feature frames, 0.64 s


def widen_primitive_cache() -> None:
    """Make room in this process, before its first product; a value of the user's own stays."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))


def pad_to_few_shapes(features: Tensor) -> Tensor:
    """``(B, T, F)`` with ``T`` rounded up, so that batches of about one length share kernels."""
    return functional.pad(features, (0, 0, 0, -features.shape[1] % LENGTH_STEP))
