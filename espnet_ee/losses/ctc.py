"""CTC loss per utterance."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


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
    log_probs = logits.float().log_softmax(dim=-1).transpose(0, 1)  # (T, B, V)
    flat = torch.cat([row[:n] for row, n in zip(targets, target_lengths.tolist(), strict=True)])
    return functional.ctc_loss(
        log_probs, flat, lengths, target_lengths, reduction="none", zero_infinity=True
    )
