"""Exit heads: hidden states of one exit to logits, from one linear layer to a recurrent branch."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from espnet_ee.errors import ConfigError
from espnet_ee.nn.attention import SelfAttention
from espnet_ee.nn.feed_forward import FeedForward
from espnet_ee.nn.masks import padding_or_none
from espnet_ee.spelling import nearest


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


class NormLinearHead(LinearHead):
    """A normalisation of the exit's own, then one linear layer.

    Args:
        width: ``D``.
        vocab_size: ``V`` with the blank.
        dropout_rate: Before the linear layer, training only.
    """

    def __init__(self, width: int, vocab_size: int, dropout_rate: float = 0.0) -> None:
        super().__init__(width, vocab_size, dropout_rate)
        self.norm = nn.LayerNorm(width)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, V)`` logits."""
        return super().forward(self.norm(hidden), lengths)


class AttentionHead(ExitHead):
    """A self-attention branch, as in HuBERT-EE (arXiv:2204.06328).

    The paper does not state its sizes. Ours: project to ``units``, self-attention and feed-forward
    with residuals and post-norm, then the linear layer.

    Args:
        width: ``D``.
        vocab_size: ``V`` with the blank.
        dropout_rate: On both branches, training only.
        units: Width of the branch.
        heads: Attention heads, a divisor of ``units``.
        linear_units: Of the feed-forward layer.
    """

    def __init__(
        self,
        width: int,
        vocab_size: int,
        dropout_rate: float = 0.0,
        units: int = 512,
        heads: int = 4,
        linear_units: int = 1024,
    ) -> None:
        super().__init__()
        if units % heads:
            raise ConfigError(
                "exit_head_conf.units does not divide into attention heads.",
                got=f"units={units}, heads={heads}",
                want="a multiple of heads",
            )
        self.project = nn.Linear(width, units)
        self.attention = SelfAttention(units, heads, dropout_rate)
        self.norm_attention = nn.LayerNorm(units)
        self.feed_forward = FeedForward(units, linear_units, dropout_rate, nn.GELU())
        self.norm_feed_forward = nn.LayerNorm(units)
        self.dropout = nn.Dropout(dropout_rate)
        self.linear = nn.Linear(units, vocab_size)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, V)`` logits; padding is not attended to."""
        frames = self.project(hidden)
        padding = padding_or_none(lengths, hidden.shape[1])
        attended = self.attention(frames, None, padding)
        frames = self.norm_attention(frames + self.dropout(attended))
        frames = self.norm_feed_forward(frames + self.dropout(self.feed_forward(frames)))
        return self.linear(frames)  # type: ignore[no-any-return]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        layers = linear_flops(self.project, frames) + linear_flops(self.linear, frames)
        return layers + self.attention.flops(frames) + self.feed_forward.flops(frames)


class BiLSTMHead(ExitHead):
    """One bidirectional LSTM layer, then a linear one: the strongest shallow exits published.

    Args:
        width: ``D``.
        vocab_size: ``V`` with the blank.
        dropout_rate: Before the linear layer, training only.
        units: Of each direction; 256 in the published head.
    """

    def __init__(
        self, width: int, vocab_size: int, dropout_rate: float = 0.0, units: int = 256
    ) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, units, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(dropout_rate)
        self.linear = nn.Linear(2 * units, vocab_size)

    def forward(self, hidden: Tensor, lengths: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, V)`` logits; backwards from the last real frame."""
        packed = nn.utils.rnn.pack_padded_sequence(
            hidden, lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        frames, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=hidden.shape[1]
        )
        return self.linear(self.dropout(frames))  # type: ignore[no-any-return]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        gates, units = 4, self.lstm.hidden_size
        recurrent = 2 * 2 * frames * gates * units * (self.lstm.input_size + units)
        return recurrent + linear_flops(self.linear, frames)


HEADS: dict[str, type[ExitHead]] = {
    "linear": LinearHead,
    "linear_norm": NormLinearHead,
    "attention": AttentionHead,
    "bilstm": BiLSTMHead,
}


def build_head(
    name: str, conf: Mapping[str, Any], width: int, vocab_size: int, dropout_rate: float
) -> ExitHead:
    """The head called ``name``.

    Args:
        name: A key of ``HEADS``.
        conf: Its options besides sizes and dropout.
        width: ``D``.
        vocab_size: ``V`` with the blank.
        dropout_rate: Training only.

    Raises:
        ConfigError: Unknown head or option.
    """
    if name not in HEADS:
        raise ConfigError(
            f"there is no exit head {name!r}{nearest(str(name), HEADS)}.", want=" or ".join(HEADS)
        )
    known = list(inspect.signature(HEADS[name]).parameters)[3:]
    unknown = [f"{key}{nearest(str(key), known)}" for key in conf if key not in known]
    if unknown:
        raise ConfigError(
            f"exit head {name} has no such option.",
            got=f"exit_head_conf: {', '.join(unknown)}",
            want=", ".join(known) or "none",
        )
    head: ExitHead = HEADS[name](width, vocab_size, dropout_rate, **conf)
    return head


def linear_flops(layer: nn.Linear, frames: int) -> int:
    """FLOPs of a linear layer on ``frames`` frames (1 MAC = 2 FLOPs)."""
    return 2 * frames * layer.in_features * layer.out_features


def num_parameters(module: nn.Module) -> int:
    """Parameters of a module."""
    return sum(parameter.numel() for parameter in module.parameters())
