"""What several kinds of blocks share: position-wise layers, normalisation, activations."""

from __future__ import annotations

from torch import Tensor, nn

from espnet_ee.nn.packed import FUSED, Packable, PackedLinear, project

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "swish": nn.SiLU,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "hardtanh": nn.Hardtanh,
    "selu": nn.SELU,
}

LAYER_NORM_EPS = 1e-12  # ESPnet's value; torch's default of 1e-5 would change loaded models


def layer_norm(width: int) -> nn.LayerNorm:
    """Layer normalisation with ESPnet's epsilon."""
    return nn.LayerNorm(width, eps=LAYER_NORM_EPS)


class FeedForward(nn.Module, Packable):
    """Two linear layers: ``D -> linear_units -> D``."""

    def __init__(self, width: int, units: int, dropout_rate: float, activation: nn.Module) -> None:
        super().__init__()
        self.w_1: nn.Linear | PackedLinear = nn.Linear(width, units)
        self.w_2: nn.Linear | PackedLinear = nn.Linear(units, width)
        self.dropout = nn.Dropout(dropout_rate)
        self.activation = activation

    def forward(self, frames: Tensor, onto: Tensor | None = None) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``; ``onto`` as in ``project``."""
        return project(self.w_2, self.dropout(self.activation(self.w_1(frames))), onto)

    def pack(self) -> None:
        """See ``Packable``: the activation joins the product before it."""
        fused = FUSED.get(type(self.activation))
        if fused is not None and isinstance(self.w_1, nn.Linear):
            self.w_1 = PackedLinear(self.w_1.weight, self.w_1.bias, fused)
            self.activation = nn.Identity()

    def pack_to_add(self, scale: float) -> None:
        """Pack the last layer so that ``scale`` times its output is added to ``onto``."""
        assert isinstance(self.w_2, nn.Linear)
        self.w_2 = PackedLinear(scale * self.w_2.weight, scale * self.w_2.bias)

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        return 2 * 2 * frames * self.w_1.in_features * self.w_1.out_features
