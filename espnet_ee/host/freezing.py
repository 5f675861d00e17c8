"""Parts that are frozen rest entirely: no dropout, no running statistics."""

from __future__ import annotations

from torch import nn


def rest_frozen(module: nn.Module) -> None:
    """Put every part into evaluation mode whose parameters are all frozen.

    Args:
        module: In training mode; parts with no parameter of their own keep their parent's mode.
    """
    for child in module.children():
        parameters = list(child.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            child.eval()
        else:
            rest_frozen(child)
