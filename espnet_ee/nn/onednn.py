"""oneDNN keeps the kernels it has made; speech needs room for more of them than it gives."""

from __future__ import annotations

import os

# Every length of a batch is a shape of its own, and a shape needs a kernel per layer: the default
# room, 1024, is used up within an epoch and kernels are made again and again. A kernel takes a few
# kilobytes.
PRIMITIVES = 16384


def widen_primitive_cache() -> None:
    """Make room in this process, before its first product; a value of the user's own stays."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PRIMITIVES))
