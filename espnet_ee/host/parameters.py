"""How many parameters an exit needs: everything below it, and its own head."""

from __future__ import annotations

from torch import nn

from espnet_ee.heads import num_parameters
from espnet_ee.host.model import EarlyExitASRModel


def exit_parameters(model: EarlyExitASRModel) -> tuple[int, ...]:
    """``E`` numbers: of a model that ends at each exit and speaks by that exit's CTC head.

    Other exits' heads, attention decoders and what only training uses are left out.
    """
    encoder = model.encoder
    before = (model.frontend, model.normalize, model.preencoder)
    every = num_parameters(encoder) + sum(num_parameters(part) for part in before if part)
    sizes = [
        sum(num_parameters(module) for module in encoder.layer_modules(layer))
        for layer in range(1, encoder.exit_layers[-1] + 1)
    ]
    return tuple(
        every - sum(sizes[layer:]) + num_parameters(_head(model, layer))
        for layer in encoder.exit_layers
    )


def _head(model: EarlyExitASRModel, layer: int) -> nn.Module:
    own = str(layer) in model.exit_heads
    head: nn.Module = model.exit_heads[str(layer)] if own else model.ctc.ctc_lo
    return head
