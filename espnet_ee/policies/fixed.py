"""The policy that looks at nothing but depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from espnet_ee.policies._base import Evidence, ExitPolicy


@dataclass(frozen=True)
class Layer(ExitPolicy):
    """Score = the exit's layer, so threshold 6 means the first exit at layer 6 or deeper."""

    name: ClassVar[str] = "layer"
    unit: ClassVar[str] = "layers"
    reads_posteriors: ClassVar[bool] = False
    reads_history: ClassVar[bool] = False

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` copies of the layer number."""
        return torch.full(now.lengths.shape, float(now.layer), device=now.lengths.device)
