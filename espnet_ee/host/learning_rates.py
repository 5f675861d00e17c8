"""Other learning rates for parts of a model, e.g. a smaller one for a pre-trained body."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from espnet_ee.errors import ConfigError
from espnet_ee.spelling import nearest


def parse_scales(texts: Iterable[str]) -> dict[str, float]:
    """``["encoder=0.1", ...]`` to factors by prefix.

    Raises:
        ConfigError: No ``NAME=FACTOR`` with a positive, finite factor, or a name twice.
    """
    scales: dict[str, float] = {}
    for text in texts:
        prefix, _, value = str(text).partition("=")
        try:
            factor = float(value)
        except ValueError:
            factor = math.nan
        if not prefix or prefix in scales or not 0.0 < factor < math.inf:
            raise ConfigError(
                "--lr_scale is not understood.",
                got=str(text),
                want="NAME=FACTOR, each part of the model once, e.g. encoder=0.1",
            )
        scales[prefix] = factor
    return scales


def scale_learning_rates(
    optimizer: torch.optim.Optimizer, model: nn.Module, scales: Mapping[str, float]
) -> None:
    """Split the optimiser's groups; schedules go on multiplying each group's own rate.

    Args:
        optimizer: New, without state.
        model: Whose parameters it has.
        scales: Factor by prefix of parameter names; the longest prefix that fits decides.

    Raises:
        ConfigError: A prefix fits no parameter.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    idle = [p for p in scales if not any(_fits(p, name) for name in names.values())]
    if idle:
        parts = sorted({name.partition(".")[0] for name in names.values()})
        raise ConfigError(
            f"--lr_scale names no part of the model{nearest(idle[0], parts)}.",
            got=", ".join(idle),
            want=", ".join(parts) + ", or a part of these",
        )
    groups = []
    for group in optimizer.param_groups:
        by_factor: dict[float, list[nn.Parameter]] = {}
        for parameter in group["params"]:
            factor = _factor(names[id(parameter)], scales)
            by_factor.setdefault(factor, []).append(parameter)
        groups += [
            {**group, "params": parameters, "lr": factor * group["lr"]}
            for factor, parameters in by_factor.items()
        ]
    optimizer.param_groups[:] = groups


def _fits(prefix: str, name: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def _factor(name: str, scales: Mapping[str, float]) -> float:
    fitting = [prefix for prefix in scales if _fits(prefix, name)]
    return scales[max(fitting, key=len)] if fitting else 1.0
