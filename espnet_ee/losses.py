"""Per-exit losses to one scalar."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from espnet_ee.errors import ConfigError


def ctc_losses(logits: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Tensor:
    """CTC loss of each utterance; blank is label 0.

    Args:
        logits: ``(B, T, V)``.
        lengths: ``(B,)`` real frames.
        targets: ``(B, L)`` labels, anything on padding.
        target_lengths: ``(B,)`` labels per utterance.

    Returns:
        ``(B,)`` nats per utterance, summed over labels as ESPnet does; 0 without gradient
        where no alignment exists (fewer frames than labels and repeats need).

    Source: Graves et al. 2006.
    """
    log_probs = logits.log_softmax(dim=-1).float().transpose(0, 1)  # (T, B, V)
    flat = torch.cat([row[:n] for row, n in zip(targets, target_lengths.tolist(), strict=True)])
    return functional.ctc_loss(
        log_probs, flat, lengths, target_lengths, reduction="none", zero_infinity=True
    )


def exit_weights(rule: str | Sequence[float], num_exits: int) -> tuple[float, ...]:
    """Weight of each exit's loss, from shallow to deep.

    Args:
        rule: ``uniform`` (1 each: the plain sum of arXiv:2309.09546), ``depth`` (``j / sum j``,
            PABEE, arXiv:2006.04152; sums to 1), or one non-negative number per exit.
        num_exits: ``E``.

    Raises:
        ConfigError: Unknown rule, wrong count, or a weight that is negative or not finite.
    """
    if rule == "uniform":
        return (1.0,) * num_exits
    if rule == "depth":
        total = num_exits * (num_exits + 1) / 2
        return tuple((index + 1) / total for index in range(num_exits))
    if isinstance(rule, str) or not isinstance(rule, Sequence) or len(rule) != num_exits:
        raise ConfigError(
            "model_conf.exit_weights does not fit the exits.",
            got=f"{rule!r} for {num_exits} exits",
            want=f"'uniform', 'depth', or a list of {num_exits} numbers",
            fix="--model_conf exit_weights=" + f"{[1.0] * num_exits}".replace(" ", ""),
        )
    weights = tuple(float(weight) for weight in rule)
    if any(not 0.0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise ConfigError(
            "model_conf.exit_weights must be finite, not negative, and not all zero.",
            got=str(list(weights)),
        )
    return weights
