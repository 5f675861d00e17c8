"""What ``benchmarks.policies`` times: blocks between exits, and decisions without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.models import ModelSize, training_model
from espnet_ee.decoding.hypothesis import Hypothesis
from espnet_ee.exits import Exit, Frames
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.lexical import Lexical
from espnet_ee.nn.alignment import BLANK
from espnet_ee.nn.packed import pack_for_inference
from espnet_ee.policies import Resources, build_policy
from espnet_ee.policies.ruled import RuledPolicy
from espnet_ee.rules import LinearGate
from espnet_ee.rules.fitting import FEATURES
from espnet_ee.walk import Batch

SEED = 0
GATE = "logistic gate"
BLANK_BIAS = 1.9  # of the heads: a third of the frames of a random model then speaks


@torch.no_grad()
def talking_model(size: ModelSize, stem: str) -> EarlyExitASRModel:
    """Random weights that say blank most of the time: texts have the length of read speech."""
    torch.manual_seed(SEED)
    model = training_model(size, stem, {}).eval()
    for head in (model.ctc.ctc_lo, *(head.linear for head in model.exit_heads.values())):
        head.bias[BLANK] = BLANK_BIAS
    pack_for_inference(model)
    return model


@dataclass(frozen=True)
class Walked:
    """A model whose walk is done: it yields the exits again and computes heads only."""

    model: EarlyExitASRModel
    exits: Sequence[Exit]

    def walk(self, batches: Iterable[Batch]) -> Walked:
        return self

    def __iter__(self) -> Iterator[Exit]:
        return iter(self.exits)

    def keep(self, active: Tensor) -> None:
        """All go on to the last exit, as the threshold wants."""

    def exit_log_probs(self, exit: Exit) -> Tensor:
        return self.model.exit_log_probs(exit)


def say_nothing(exit: Exit, log_probs: Tensor) -> list[Hypothesis]:
    """Texts are no part of a decision."""
    return [Hypothesis((), 0.0)] * len(exit.lengths)


@dataclass(frozen=True)
class Segment:
    """The blocks between two exits, ready to run."""

    model: EarlyExitASRModel
    first: int
    last: int
    frames: Frames
    context: object

    def run(self) -> Frames:
        encoder = self.model.encoder
        return encoder.run_segment(self.first, self.last, self.frames, self.context)


def segments_of(model: EarlyExitASRModel, features: Tensor, lengths: Tensor) -> list[Segment]:
    """Every exit's blocks, with what enters them."""
    encoder, segments, below = model.encoder, [], 0
    frames = encoder.stem_frames(features, lengths)
    context = encoder.block_context(frames)
    for layer in encoder.exit_layers:
        segments.append(Segment(model, below + 1, layer, frames, context))
        frames, below = segments[-1].run(), layer
    return segments


def resources_of(vocab_size: int) -> Resources:
    """A made language whose words are some of the made tokens, for policies that read texts."""
    words = [f"t{n}" for n in range(vocab_size)]
    texts = [" ".join(words[n : n + 8]) for n in range(0, vocab_size - 8, 3)]
    return Resources(lambda tokens: " ".join(words[n] for n in tokens), Lexical.of_texts(texts))


def run_all(segments: Sequence[Segment]) -> None:
    for segment in segments:
        segment.run()


def gate() -> RuledPolicy:
    """A gate of the usual features; what its weights are takes no time."""
    some = (0.0,) * len(FEATURES)
    exits = len(ModelSize().exit_layers) - 1
    weights = (0.1,) * (len(FEATURES) + exits)
    rule = LinearGate(FEATURES, some, exits, "good", weights, 0.0)
    return RuledPolicy(rule, [build_policy(name) for name in FEATURES])
