"""Per-exit losses to one scalar: fixed weights, learned ones, or weights by confidence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from espnet_ee.errors import ConfigError
from espnet_ee.nn.masks import masked_frame_mean
from espnet_ee.spelling import nearest

RULES = ("uniform", "depth", "uncertainty", "confidence", "inverse_confidence")
LEAST_CONFIDENCE = 0.1  # of the published variant: no utterance counts more than ten times


class ExitWeighting(nn.Module, ABC):
    """How much each exit's loss counts.

    Attributes:
        reads_confidence: Whether the confidence of each utterance must be computed.
    """

    reads_confidence = False

    @abstractmethod
    def forward(self, exit_index: int, losses: Tensor, confidence: Tensor | None) -> Tensor:
        """One exit's contribution to the loss of the batch.

        Args:
            exit_index: Counts exits from 0.
            losses: ``(B,)`` nats per utterance.
            confidence: ``(B,)`` as of ``sentence_confidence``, without gradient; None for a
                weighting that declares ``reads_confidence = False``.

        Returns:
            A scalar; contributions of all exits are added.
        """

    def constant(self, exit_index: int) -> float:
        """The weight of losses other than CTC: 1 where weights are learned or vary."""
        return 1.0


class FixedWeights(ExitWeighting):
    """One constant per exit; see ``exit_weights``."""

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self.weights = tuple(weights)

    def forward(self, exit_index: int, losses: Tensor, confidence: Tensor | None) -> Tensor:
        """The weighted mean over the batch."""
        return self.weights[exit_index] * losses.mean()

    def constant(self, exit_index: int) -> float:
        """The same weight."""
        return self.weights[exit_index]


class UncertaintyWeights(ExitWeighting):
    """Learned: ``exp(-s_m) L_m + s_m / 2`` with one trained ``s_m = log sigma_m^2`` per exit.

    Source: Kendall et al., arXiv:1705.07115, equation 10, for likelihoods such as CTC.
    """

    def __init__(self, num_exits: int) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(num_exits))

    def forward(self, exit_index: int, losses: Tensor, confidence: Tensor | None) -> Tensor:
        """The weighted mean over the batch and the price of the weight."""
        log_variance = self.log_variance[exit_index]
        return (-log_variance).exp() * losses.mean() + 0.5 * log_variance


class ConfidenceWeights(ExitWeighting):
    """By how sure the exit is of each utterance: ``c`` or ``1 / c`` with ``c`` in [0.1, 1].

    The published ablation (wav2vec2-ee) weighs a whole batch by one number with padding included;
    here each utterance has its own, from its real frames.
    """

    reads_confidence = True

    def __init__(self, inverse: bool) -> None:
        super().__init__()
        self.power = -1.0 if inverse else 1.0

    def forward(self, exit_index: int, losses: Tensor, confidence: Tensor | None) -> Tensor:
        """The mean over the batch of weighted utterances."""
        assert confidence is not None
        return (confidence.clamp(min=LEAST_CONFIDENCE) ** self.power * losses).mean()


@torch.no_grad()
def sentence_confidence(logits: Tensor, lengths: Tensor) -> Tensor:
    """Geometric mean over real frames of the largest posterior.

    Args:
        logits: ``(B, T, V)``.
        lengths: ``(B,)`` real frames.

    Returns:
        ``(B,)`` in (0, 1].
    """
    best = logits.detach().float().log_softmax(dim=-1).amax(dim=-1)  # (B, T)
    return masked_frame_mean(best, lengths).exp()


def build_weighting(rule: str | Sequence[float], num_exits: int) -> ExitWeighting:
    """The weighting that ``model_conf.exit_weights`` asks for.

    Args:
        rule: One of ``RULES``, or one non-negative number per exit.
        num_exits: ``E``.

    Raises:
        ConfigError: Unknown rule, wrong count, or a weight that is negative or not finite.
    """
    if rule == "uncertainty":
        return UncertaintyWeights(num_exits)
    if rule in ("confidence", "inverse_confidence"):
        return ConfidenceWeights(inverse=rule == "inverse_confidence")
    return FixedWeights(exit_weights(rule, num_exits))


def exit_weights(rule: str | Sequence[float], num_exits: int) -> tuple[float, ...]:
    """Constant weight of each exit's loss, from shallow to deep.

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
        near = nearest(rule, RULES) if isinstance(rule, str) else ""
        raise ConfigError(
            f"model_conf.exit_weights does not fit the exits{near}.",
            got=f"{rule!r} for {num_exits} exits",
            want=f"{', '.join(RULES)}, or a list of {num_exits} numbers",
            fix="--model_conf exit_weights=" + f"{[1.0] * num_exits}".replace(" ", ""),
        )
    weights = tuple(float(weight) for weight in rule)
    if any(not 0.0 <= weight < float("inf") for weight in weights) or not any(weights):
        raise ConfigError(
            "model_conf.exit_weights must be finite, not negative, and not all zero.",
            got=str(list(weights)),
        )
    return weights
