"""The policy that asks how far the best text is ahead of the next ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from espnet_ee.decoding.prefix_beam import prefix_scores
from espnet_ee.policies._base import Evidence, ExitPolicy

NBEST = 10


@dataclass(frozen=True)
class Posterior(ExitPolicy):
    """Posterior of the best text among the N best: softmax over their log-probabilities, N = 10.

    The N are the prefixes that a CTC beam search of that width ends with, without lexicon or
    language model. One text alone would be certain whatever it is: its score is unknown.
    Source: the sentence confidence of Wright et al. (arXiv:2309.09546).
    """

    name = "posterior"
    unit = "probability"
    reads_history = False
    # An addition and a comparison for each prefix; the search leaves out labels that cannot matter.
    score_flops_per_posterior = 2 * NBEST

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)`` in ``1/N .. 1``, NaN where fewer than two texts are possible."""
        assert now.log_probs is not None
        posteriors, lengths = now.log_probs.cpu().numpy(), now.lengths.cpu().numpy()
        scores = prefix_scores(posteriors, lengths, NBEST, NBEST)  # (B, N), best first
        known = scores[:, 1] > -np.inf
        best, others = scores[known, :1], scores[known]
        confidence = np.full(len(scores), np.nan, dtype=np.float32)
        confidence[known] = 1.0 / np.exp(others - best).sum(axis=1)
        return torch.from_numpy(confidence).to(now.lengths.device)
