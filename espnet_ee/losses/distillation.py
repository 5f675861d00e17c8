"""Exits that learn from a teacher's outputs beside the reference text.

The teacher is the model's own last exit, or another model, frozen. Every exit's loss becomes
``(1 - a) CTC(reference) + a KD(teacher)`` with one ``a`` per exit; the exit that is the teacher
keeps ``a = 0``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from espnet_ee.decoding.greedy import greedy_ctc
from espnet_ee.errors import ConfigError
from espnet_ee.losses.ctc import ctc_losses
from espnet_ee.nn.masks import valid_frames
from espnet_ee.spelling import nearest

KINDS = ("none", "sequence", "frame")


@dataclass(frozen=True)
class Teacher:
    """What the teacher said of a batch, without gradient.

    Attributes:
        logits: ``(B, T, V)``.
        lengths: ``(B,)`` real frames.
    """

    logits: Tensor
    lengths: Tensor


class Distillation(ABC):
    """One way to learn from a teacher.

    Args:
        shares: ``a`` of each exit, from shallow to deep, in [0, 1].
    """

    def __init__(self, shares: Sequence[float]) -> None:
        self.shares = tuple(shares)

    def mix(
        self, exit_index: int, losses: Tensor, logits: Tensor, lengths: Tensor, teacher: Teacher
    ) -> Tensor:
        """``(B,)`` losses of one exit with the teacher's part mixed in.

        Args:
            exit_index: Counts exits from 0.
            losses: ``(B,)`` CTC losses of the exit to the reference, in nats.
            logits: ``(B, T, V)`` of the exit.
            lengths: ``(B,)`` real frames.
            teacher: Its outputs for the same batch.
        """
        share = self.shares[exit_index]
        if share == 0.0:
            return losses
        taught, told = self.losses(logits, lengths, teacher)
        share_each = torch.where(told, share, 0.0)
        return (1.0 - share_each) * losses + share_each * taught

    @abstractmethod
    def losses(self, logits: Tensor, lengths: Tensor, teacher: Teacher) -> tuple[Tensor, Tensor]:
        """``(B,)`` nats per utterance, and ``(B,)`` bool: whether the teacher said anything."""


class SequenceDistillation(Distillation):
    """CTC loss to the teacher's greedy text (wav2vec2-ee: 0.7 for all exits but the teacher).

    A teacher that says nothing, as at the start of training, would teach silence: such utterances
    learn from the reference alone.
    """

    def losses(self, logits: Tensor, lengths: Tensor, teacher: Teacher) -> tuple[Tensor, Tensor]:
        """As ``Distillation.losses``."""
        paths = greedy_ctc(teacher.logits.log_softmax(dim=-1), teacher.lengths)
        targets = [torch.tensor(path.tokens, dtype=torch.long) for path in paths]
        target_lengths = torch.tensor([len(target) for target in targets]).to(lengths.device)
        padded = torch.nn.utils.rnn.pad_sequence(targets, batch_first=True).to(logits.device)
        return ctc_losses(logits, lengths, padded, target_lengths), target_lengths > 0


class FrameDistillation(Distillation):
    """``T^2 KL(teacher || student)`` of softened posteriors, summed over real frames.

    Source: Hinton et al., arXiv:1503.02531; between exits of one model: Zhang et al. 2019,
    "Be your own teacher".
    """

    def __init__(self, shares: Sequence[float], temperature: float) -> None:
        super().__init__(shares)
        self.temperature = temperature

    def losses(self, logits: Tensor, lengths: Tensor, teacher: Teacher) -> tuple[Tensor, Tensor]:
        """As ``Distillation.losses``.

        Raises:
            ConfigError: The teacher counts other frames than its student.
        """
        if not teacher.lengths.equal(lengths):
            raise ConfigError(
                "distillation by frame needs a teacher with its student's frame rate.",
                got=f"{teacher.lengths.tolist()} frames, the student {lengths.tolist()}",
                fix="--model_conf distillation=sequence, or a teacher with the same stem",
            )
        longest = int(lengths.max())  # batches may be padded further, each model in its own way
        student = (logits[:, :longest].float() / self.temperature).log_softmax(dim=-1)
        target = (teacher.logits[:, :longest].float() / self.temperature).log_softmax(dim=-1)
        divergence = functional.kl_div(student, target, reduction="none", log_target=True)
        by_frame = divergence.sum(dim=-1)  # (B, T)
        real = valid_frames(lengths, by_frame.shape[1])
        total = by_frame.masked_fill(~real, 0.0).sum(dim=1)
        return self.temperature**2 * total, torch.ones_like(total, dtype=torch.bool)


def build_distillation(
    kind: str, conf: Mapping[str, Any], num_exits: int, own_teacher: bool
) -> Distillation | None:
    """The distillation that ``model_conf`` asks for; None for ``none``.

    Args:
        kind: One of ``KINDS``.
        conf: ``share`` (one number, or one per exit; default 0.7) and, for ``frame``,
            ``temperature`` (default 2).
        num_exits: ``E``.
        own_teacher: Whether the last exit is the teacher, which then learns from texts only.

    Raises:
        ConfigError: Unknown kind or option, or a value out of range.
    """
    if kind not in KINDS:
        raise ConfigError(
            f"there is no distillation {kind!r}{nearest(str(kind), KINDS)}.",
            want=" or ".join(KINDS),
        )
    known = {"none": (), "sequence": ("share",), "frame": ("share", "temperature")}[kind]
    unknown = [f"{key}{nearest(str(key), known)}" for key in conf if key not in known]
    if unknown:
        raise ConfigError(
            f"distillation {kind} has no such option.",
            got=f"distillation_conf: {', '.join(unknown)}",
            want=", ".join(known) or "none",
        )
    if kind == "none":
        return None
    shares = _shares(conf.get("share", 0.7), num_exits, own_teacher)
    if kind == "sequence":
        return SequenceDistillation(shares)
    temperature = float(conf.get("temperature", 2.0))
    if temperature <= 0.0:
        raise ConfigError("distillation_conf.temperature is not positive.", got=str(temperature))
    return FrameDistillation(shares, temperature)


def _shares(share: float | Sequence[float], num_exits: int, own_teacher: bool) -> tuple[float, ...]:
    if isinstance(share, int | float):
        shares = [float(share)] * (num_exits - own_teacher) + [0.0] * own_teacher
    else:
        shares = [float(value) for value in share]
    wrong_teacher = own_teacher and shares and shares[-1] != 0.0
    if len(shares) != num_exits or any(not 0.0 <= v <= 1.0 for v in shares) or wrong_teacher:
        raise ConfigError(
            "distillation_conf.share does not fit the exits.",
            got=f"{share!r} for {num_exits} exits",
            want="one number in [0, 1], or one per exit"
            + ("; the last exit is the teacher, its share is 0" if own_teacher else ""),
        )
    return tuple(shares)
