"""The policy that asks how sure an exit is of what the deepest exit will see, not of the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from espnet_ee.clusters import CLUSTERS_NAME
from espnet_ee.errors import ConfigError
from espnet_ee.nn.masks import masked_frame_mean
from espnet_ee.policies._base import Evidence, ExitPolicy
from espnet_ee.policies.resources import Resources


@dataclass(frozen=True)
class ClusterEntropy(ExitPolicy):
    """Minus the mean entropy of an exit's guesses at the clusters of the deepest hidden states.

    Source: DAISY (arXiv:2406.05464), there the mean over a batch and its padding. Its clusters are
    HuBERT's; ours are fitted to the model by ``espnet-ee clusters``.
    """

    name = "clusters"
    unit = "-nats/frame"
    reads_posteriors = False
    reads_history = False
    resources: Resources | None = None

    def bind(self, resources: Resources) -> ExitPolicy:
        """With the model's clusters."""
        if resources.clusters is None:
            raise ConfigError(
                "policy clusters needs guesses at clusters.",
                want=f"{CLUSTERS_NAME} beside the model's config.yaml",
                fix="espnet-ee clusters --wav_scp TRAINING_AUDIO --exp EXP",
            )
        return replace(self, resources=resources)

    def score_flops(self, vocab_size: int, width: int) -> int:
        """A product of ``(K, D)``, then three for each cluster; 0 before a model is known."""
        clusters = self.resources.clusters if self.resources else None
        return 0 if clusters is None else clusters.count * (2 * width + 3)

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``-ln K .. 0``."""
        if self.resources is None or self.resources.clusters is None:
            raise ConfigError("policy clusters is not bound to a model.")
        assert now.hidden is not None
        clusters = self.resources.clusters
        weight = torch.from_numpy(clusters.weights[now.exit_index]).to(now.hidden)
        bias = torch.from_numpy(clusters.biases[now.exit_index]).to(now.hidden)
        guesses = torch.nn.functional.linear(now.hidden, weight, bias).log_softmax(dim=-1)
        return masked_frame_mean((guesses.exp() * guesses).sum(dim=-1), now.lengths)
