"""What is decoded: batches of utterances, and where each of them has to leave."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from benchmarks.models import FRAMES_PER_SEC, ModelSize, cost_model, random_features
from espnet_ee.batching import length_sorted_batches
from espnet_ee.host.inference import MAX_PADDED_SEC
from espnet_ee.host.model import EarlyExitASRModel

SEED = 0
SHORTEST = 0.9  # of the longest utterance: what sorting by length leaves in a batch

# Share of the utterances that leave at each of six exits.
HISTOGRAMS: dict[str, tuple[float, ...]] = {
    "all first": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "mostly first": (0.5, 0.25, 0.12, 0.06, 0.04, 0.03),
    "uniform": (1 / 6,) * 6,
    "mostly middle": (0.05, 0.15, 0.35, 0.3, 0.1, 0.05),
    "bimodal": (0.45, 0.05, 0.0, 0.0, 0.05, 0.45),
    "mostly last": (0.04, 0.06, 0.1, 0.15, 0.2, 0.45),
    "all last": (0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
}


@dataclass(frozen=True)
class Batch:
    """One batch and, by histogram, the exit that each utterance has to take."""

    features: Tensor
    lengths: Tensor
    exits: Mapping[str, tuple[int, ...]]


def frames_of(seconds: float, batch: int) -> list[int]:
    """Feature frames of a batch sorted by length, longest first."""
    longest = round(FRAMES_PER_SEC * seconds)
    step = (1.0 - SHORTEST) / max(1, batch - 1)
    return [round(longest * (1.0 - step * place)) for place in range(batch)]


def utterance_frames(utterances: int, equal_sec: float | None) -> list[int]:
    """Feature frames: all equal, or as in read speech, 1.5 to 20 s with a median of 6 s."""
    if equal_sec is not None:
        return [round(FRAMES_PER_SEC * equal_sec)] * utterances
    draw = random.Random(SEED)
    seconds = [
        min(20.0, max(1.5, draw.lognormvariate(math.log(6.0), 0.6))) for _ in range(utterances)
    ]
    return [round(FRAMES_PER_SEC * sec) for sec in seconds]


def dictate(shares: Sequence[float], utterances: int) -> list[int]:
    """Exit indices in the given shares, as exactly as whole utterances allow, in random order."""
    bounds = [round(sum(shares[: index + 1]) * utterances) for index in range(len(shares))]
    exits = [sum(place >= bound for bound in bounds[:-1]) for place in range(utterances)]
    random.Random(SEED).shuffle(exits)
    return exits


def make_batches(
    utterances: int, equal_sec: float | None, batch_size: int, histograms: Sequence[str], bins: int
) -> list[Batch]:
    """Length-sorted batches of noise, as inference makes them."""
    frames = utterance_frames(utterances, equal_sec)
    exits = {name: dictate(HISTOGRAMS[name], utterances) for name in histograms}
    batches = []
    for places in length_sorted_batches(frames, batch_size, MAX_PADDED_SEC * FRAMES_PER_SEC):
        features, lengths = random_features([frames[place] for place in places], bins, SEED)
        own = {name: tuple(all_[place] for place in places) for name, all_ in exits.items()}
        batches.append(Batch(features, lengths, own))
    return batches


def padding_share(batches: Sequence[Batch]) -> float:
    """Share of the batches' feature frames that are padding before anyone leaves."""
    real = sum(int(batch.lengths.sum()) for batch in batches)
    return 1.0 - real / sum(math.prod(batch.features.shape[:2]) for batch in batches)


def mean_exit(exits: Sequence[int]) -> int:
    """Where a batch with a common decision stops: the first exit at or above the mean."""
    return math.ceil(sum(exits) / len(exits))


def promised_saving(
    model: EarlyExitASRModel, batches: Sequence[Batch], histogram: str, size: ModelSize
) -> float:
    """Saving of FLOPs over full depth, from features on, no padding counted."""
    cost = cost_model(model, size.vocab_size)
    spent = full = 0.0
    for batch in batches:
        for frames, index in zip(batch.lengths.tolist(), batch.exits[histogram], strict=True):
            utterance = cost.utterance(frames)
            spent += utterance.until(index, reads_posteriors=True)
            full += utterance.until(len(size.exit_layers) - 1, reads_posteriors=True)
    return 1.0 - spent / full
