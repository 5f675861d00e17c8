"""The loss of one batch: which exits learn, from what, and how it adds up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from espnet_ee import losses
from espnet_ee.exits import Exit
from espnet_ee.host.compat import add_sos_eos, th_accuracy
from espnet_ee.nn.masks import valid_frames

if TYPE_CHECKING:
    from espnet_ee.host.model import EarlyExitASRModel


@dataclass(frozen=True)
class Learner:
    """One exit that learns from this batch.

    Attributes:
        exit: Its hidden states.
        logits: ``(B, T, V)``.
    """

    exit: Exit
    logits: Tensor

    def key(self, name: str) -> str:
        """A statistic's name, e.g. ``loss_exit06``."""
        return f"{name}_exit{self.exit.layer:02d}"


@dataclass(frozen=True)
class Labels:
    """The reference of a batch.

    Attributes:
        text: ``(B, L)``, -1 on padding.
        lengths: ``(B,)``.
    """

    text: Tensor
    lengths: Tensor


Stats = dict[str, Any]


def batch_loss(
    model: EarlyExitASRModel,
    speech: Tensor,
    speech_lengths: Tensor,
    text: Tensor,
    text_lengths: Tensor,
) -> tuple[Tensor, Stats]:
    """The loss to minimise and what ESPnet's reporter is told.

    Args:
        model: In training or evaluation mode.
        speech: ``(B, N)`` samples or ``(B, T, F)`` features.
        speech_lengths: ``(B,)``.
        text: ``(B, L)`` labels, -1 on padding.
        text_lengths: ``(B,)``.
    """
    labels = Labels(text, text_lengths)
    learners = _learners(model, speech, speech_lengths)
    teacher = _teacher(model, learners, speech, speech_lengths)
    stats: Stats = {}
    loss = torch.zeros((), device=text.device)
    for learner in learners:
        loss = loss + model.ctc_weight * _ctc_part(model, learner, labels, teacher, stats)
        if learner.exit.layer in model.attention_layers:
            part = _attention_part(model, learner, labels, stats)
            loss = loss + (1.0 - model.ctc_weight) * part
    model.schedule.advance()
    stats["loss"] = loss.detach()
    rates = [stats[learner.key("cer")] for learner in learners]
    # Where the last exit is frozen, its own rate says nothing about an epoch.
    stats["cer_exits"] = sum(rates) / len(rates) if None not in rates else None
    return loss, stats


def _learners(model: EarlyExitASRModel, speech: Tensor, speech_lengths: Tensor) -> list[Learner]:
    """The exits that learn in this step, shallow first; nothing above the deepest runs."""
    wanted = model.schedule.learning_exits()
    rests = model.schedule.body_rests()
    if rests:
        model.encoder.eval()
    exits = []
    with torch.set_grad_enabled(torch.is_grad_enabled() and not rests):
        for exit in model.walk([model.speech_features(speech, speech_lengths)]):
            if exit.index in wanted:
                exits.append(exit)
            if exit.index == wanted[-1]:
                break
    if rests:
        model.train()
    return [
        Learner(exit, model.exit_logits(exit.layer, exit.hidden, exit.lengths)) for exit in exits
    ]


def _teacher(
    model: EarlyExitASRModel, learners: Sequence[Learner], speech: Tensor, speech_lengths: Tensor
) -> losses.Teacher | None:
    """What the exits learn from beside the text."""
    if model.distillation is None or not model.training:
        return None
    if model.frozen_teacher is not None:
        return model.frozen_teacher(speech, speech_lengths)
    last = learners[-1]
    return losses.Teacher(last.logits.detach(), last.exit.lengths) if last.exit.last else None


def _ctc_part(
    model: EarlyExitASRModel,
    learner: Learner,
    labels: Labels,
    teacher: losses.Teacher | None,
    stats: Stats,
) -> Tensor:
    """One exit's weighted CTC loss, the teacher's part included; ``stats`` has the plain one."""
    index, lengths, logits = learner.exit.index, learner.exit.lengths, learner.logits
    each = losses.ctc_losses(logits, lengths, labels.text, labels.lengths)
    stats[learner.key("loss")] = each.mean().detach()
    stats[learner.key("cer")] = _cer(model, learner, labels)
    if learner.exit.last:
        stats["loss_ctc"], stats["cer_ctc"] = stats[learner.key("loss")], stats[learner.key("cer")]
    if model.distillation is not None and teacher is not None:
        each = model.distillation.mix(index, each, logits, lengths, teacher)
    reads = model.weighting.reads_confidence
    confidence = losses.sentence_confidence(logits, lengths) if reads else None
    part: Tensor = model.weighting(index, each, confidence)
    return part


def _attention_part(
    model: EarlyExitASRModel, learner: Learner, labels: Labels, stats: Stats
) -> Tensor:
    """One exit's weighted attention loss."""
    exit = learner.exit
    inputs, targets = add_sos_eos(labels.text, model.sos, model.eos, model.ignore_id)
    hidden = exit.hidden[:, : int(exit.lengths.max())]  # ESPnet's decoders want no frame more
    memory = model.attention_memory(exit.layer, hidden)
    decoder = model.exit_decoder(exit.layer)
    scores, _ = decoder(memory, exit.lengths, inputs, labels.lengths + 1)  # (B, L + 1, V)
    loss: Tensor = model.criterion_att(scores, targets)
    flat = scores.view(-1, model.vocab_size)
    accuracy = th_accuracy(flat, targets, ignore_label=model.ignore_id)
    stats[learner.key("loss_att")], stats[learner.key("acc")] = loss.detach(), accuracy
    if exit.last:
        cer = wer = None
        if not model.training and model.error_calculator is not None:
            cer, wer = model.error_calculator(scores.argmax(dim=-1).cpu(), labels.text.cpu())
        stats.update(loss_att=loss.detach(), acc=accuracy, cer=cer, wer=wer)
    return model.weighting.constant(exit.index) * loss


def _cer(model: EarlyExitASRModel, learner: Learner, labels: Labels) -> float | None:
    """In validation the character error rate of the greedy path."""
    if model.training or model.error_calculator is None:
        return None
    padding = ~valid_frames(learner.exit.lengths, learner.logits.shape[1])
    best = learner.logits.argmax(dim=-1).masked_fill(padding, model.blank_id)
    rate: float = model.error_calculator(best.cpu(), labels.text.cpu(), is_ctc=True)
    return rate
