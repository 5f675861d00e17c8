"""The policy that looks at nothing but depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_ee.policies._base import Evidence, ExitPolicy


@dataclass(frozen=True)
class Layer(ExitPolicy):
    """Score = the exit's layer, so threshold 6 means the first exit at layer 6 or deeper."""

    name = "layer"
    unit = "layers"
    reads_posteriors = False
    reads_history = False

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` copies of the layer number."""
        return torch.full(now.lengths.shape, float(now.layer), device=now.lengths.device)
