"""Hidden states of a model's exits on some audio, for ``espnet_ee.clusters``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from espnet_ee.clusters import Clusters
from espnet_ee.errors import DataError
from espnet_ee.host.feeding import POOL, Feeder
from espnet_ee.host.inference import EarlyExitSpeech2Text

MOST_FRAMES = 20_000  # drawn evenly from each utterance


@torch.inference_mode()
def fit_clusters(
    asr: EarlyExitSpeech2Text, paths: Mapping[str, str], count: int, seed: int
) -> Clusters:
    """Decode audio through all exits and fit clusters to their states.

    Args:
        asr: The model.
        paths: Utterance id to audio file; thousands of seconds are plenty.
        count: Clusters.
        seed: Of k-means.

    Raises:
        DataError: No audio could be read, or too little.
    """
    kept: list[torch.Tensor] = []
    each = max(1, MOST_FRAMES // max(1, len(paths)))
    for pool in Feeder(asr, paths, POOL):
        for fed in pool:
            features, lengths = asr.features([fed.samples])
            exits = [exit.hidden[0] for exit in asr.model.walk([(features, lengths)])]
            step = -(-exits[0].shape[0] // each)
            kept.append(torch.stack(exits)[:, ::step].float().cpu())
    if not kept:
        raise DataError("No audio to fit clusters to.", want="a wav.scp with readable files")
    hidden = torch.cat(kept, dim=1).numpy()
    return Clusters.fit(asr.exit_layers, np.ascontiguousarray(hidden), count, seed)
