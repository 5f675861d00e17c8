"""What every block offers to the stack that holds it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Block(nn.Module, ABC):
    """One encoder block: ``(B, T, D)`` to ``(B, T, D)``, blind to padding."""

    @abstractmethod
    def forward(self, frames: Tensor, distances: Tensor | None, padding: Tensor | None) -> Tensor:
        """Run the block.

        Args:
            frames: ``(B, T, D)``.
            distances: ``(2T-1, D)`` relative positions, or None where the block uses none.
            padding: ``(B, T)`` bool, true on padding, or None when nothing is padded.

        Returns:
            ``(B, T, D)``; values on padding are meaningless and never read.
        """

    @abstractmethod
    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
