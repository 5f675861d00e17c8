"""Attention decoders at several exits: one each, or one for all with an adapter per exit."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from espnet_ee.errors import ConfigError
from espnet_ee.spelling import nearest


def attention_layers(
    choice: str | Sequence[int], exit_layers: Sequence[int], has_decoder: bool
) -> tuple[int, ...]:
    """Exits with attention, from shallow to deep; the last one is among them if there is any.

    Args:
        choice: ``last`` (ESPnet's own model), ``all``, or a list of exit layers.
        exit_layers: All exits.
        has_decoder: False for CTC-only models.

    Raises:
        ConfigError: Unknown word, a layer without an exit, or the last exit is missing.
    """
    if not has_decoder:
        return ()
    if choice in ("last", "all"):
        return tuple(exit_layers[-1:]) if choice == "last" else tuple(exit_layers)
    layers = sorted(choice) if isinstance(choice, list | tuple) else []
    if not layers or layers[-1] != exit_layers[-1] or not set(layers) <= set(exit_layers):
        near = nearest(choice, ("last", "all")) if isinstance(choice, str) else ""
        raise ConfigError(
            f"model_conf.attention_exits does not fit the exits{near}.",
            got=repr(choice),
            want=f"last, all, or some of {list(exit_layers)} with the last one",
        )
    return tuple(layers)


class ExitAdapter(nn.Module):
    """Lets one decoder read several depths: normalisation and a residual linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)
        nn.init.zeros_(self.linear.weight)  # the decoder starts on what it knows
        nn.init.zeros_(self.linear.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``."""
        normal = self.norm(hidden)
        return normal + self.linear(normal)


class ExitDecoders(nn.Module):
    """The decoders below the last exit; the last exit has ESPnet's own ``decoder``.

    Args:
        kind: ``own``: a decoder per exit, as in arXiv:2309.09546; ``shared``: the last exit's
            decoder reads every exit through an adapter.
        decoder: Of the last exit.
        layers: Exits below the last with attention.
        width: ``D``.
    """

    def __init__(self, kind: str, decoder: Any, layers: Sequence[int], width: int) -> None:
        super().__init__()
        own = layers if kind == "own" else ()
        self.decoders = nn.ModuleDict({str(layer): fresh_copy(decoder) for layer in own})
        shared = layers if kind == "shared" else ()
        self.adapters = nn.ModuleDict({str(layer): ExitAdapter(width) for layer in shared})

    def decoder_of(self, layer: int, last: Any) -> Any:
        """The decoder of an exit; ``last`` is that of the last one."""
        key = str(layer)
        return self.decoders[key] if key in self.decoders else last  # noqa: SIM401 (no dict)

    def memory(self, layer: int, hidden: Tensor) -> Tensor:
        """``(B, T, D)`` hidden states of an exit to what its decoder attends to."""
        if str(layer) in self.adapters:
            return self.adapters[str(layer)](hidden)
        return hidden


def fresh_copy(decoder: Any) -> Any:
    """A decoder of the same make with random weights of its own."""
    copied = copy.deepcopy(decoder)
    for module in copied.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return copied
