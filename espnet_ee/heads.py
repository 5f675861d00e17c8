"""Exit heads: hidden states of one exit to log-probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn


class ExitHead(nn.Module, ABC):
    """What an exit needs to speak."""

    @abstractmethod
    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """Logits.

        Args:
            hidden: ``(B, T, D)``.
            lengths: ``(B,)`` real frames, for heads that look across frames.

        Returns:
            ``(B, T, V)`` logits.
        """

    @abstractmethod
    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""


class LinearHead(ExitHead):
    """One linear layer, as in arXiv:2309.09546.

    Args:
        width: ``D``.
        vocab_size: ``V`` with the blank.
        dropout_rate: Before the layer, training only.
    """

    def __init__(self, width: int, vocab_size: int, dropout_rate: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout_rate)
        self.linear = nn.Linear(width, vocab_size)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, V)`` logits."""
        return self.linear(self.dropout(hidden))  # type: ignore[no-any-return]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        return linear_flops(self.linear, frames)


def linear_flops(layer: nn.Linear, frames: int) -> int:
    """FLOPs of a linear layer on ``frames`` frames (1 MAC = 2 FLOPs)."""
    return 2 * frames * layer.in_features * layer.out_features
