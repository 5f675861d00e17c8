"""Decode a batch exit by exit: all of them, or each utterance until its first good one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from espnet_ee.decoding.greedy import greedy_ctc
from espnet_ee.decoding.hypothesis import Hypothesis, Speaker
from espnet_ee.exits import Exit, Walk
from espnet_ee.policies import Evidence, ExitPolicy, stops


class ExitModel(Protocol):
    """What decoding needs of a model."""

    def walk(self, features: Tensor, lengths: Tensor) -> Walk:
        """A lazy pass over ``(B, T, F)`` features."""

    def exit_log_probs(self, exit: Exit) -> Tensor:
        """``(B, T, V)`` of one exit."""


@dataclass(frozen=True)
class Decision:
    """Where one utterance stopped and what it said there.

    Attributes:
        exit_index: Counts exits from 0.
        layer: Counts blocks from 1.
        score: The policy's score at that exit.
        frames: Real frames behind the stem.
        path: What it said.
    """

    exit_index: int
    layer: int
    score: float
    frames: int
    path: Hypothesis


@dataclass(frozen=True)
class ScoredExit:
    """One exit of one utterance with every policy's score."""

    layer: int
    frames: int
    path: Hypothesis
    scores: Mapping[str, float]


def speak_greedily(exit: Exit, log_probs: Tensor) -> list[Hypothesis]:
    """The greedy CTC path of each row."""
    return greedy_ctc(log_probs, exit.lengths)


def decode_until_good(
    model: ExitModel,
    features: Tensor,
    lengths: Tensor,
    policy: ExitPolicy,
    threshold: float,
    compact: bool = True,
    speak: Speaker = speak_greedily,
) -> list[Decision]:
    """Stop each utterance at its first exit whose score reaches the threshold.

    Args:
        model: Walks and speaks.
        features: ``(B, T, F)``.
        lengths: ``(B,)`` real feature frames.
        policy: The exit rule.
        threshold: In the policy's unit.
        compact: Drop stopped utterances from the batch; False computes on for all of
            them and only ignores the rest (the same decisions, for tests and benchmarks).
        speak: Makes the text of those that stop at an exit.

    Returns:
        One decision per utterance, in input order.
    """
    decisions: list[Decision | None] = [None] * len(features)
    waiting = torch.ones(len(features), dtype=torch.bool, device=features.device)
    history: list[Evidence] = []
    walk = model.walk(features, lengths)
    for exit in walk:
        log_probs = model.exit_log_probs(exit) if policy.reads_posteriors else None
        now = Evidence(exit.index, exit.layer, log_probs, exit.lengths)
        scores = policy.score(now, history)
        active = waiting[exit.utterances]
        stopped = stops(scores, threshold, exit.last) & active
        if bool(stopped.any()):
            for utterance, decision in _decide(model, exit, log_probs, scores, stopped, speak):
                decisions[utterance] = decision
            waiting[exit.utterances[stopped]] = False
        if not bool(waiting.any()):
            break
        if policy.reads_history:
            history.append(now)
        if compact and bool(stopped.any()):
            walk.keep(~stopped)
            history = [evidence.select(~stopped) for evidence in history]
    return [decision for decision in decisions if decision is not None]


def decode_all(
    model: ExitModel,
    features: Tensor,
    lengths: Tensor,
    policies: Sequence[ExitPolicy],
    speak: Speaker = speak_greedily,
) -> list[list[ScoredExit]]:
    """Every exit of every utterance with every policy's score.

    Returns:
        Per utterance, in input order, its exits from shallow to deep.
    """
    utterances: list[list[ScoredExit]] = [[] for _ in range(len(features))]
    history: list[Evidence] = []
    for exit in model.walk(features, lengths):
        log_probs = model.exit_log_probs(exit)
        now = Evidence(exit.index, exit.layer, log_probs, exit.lengths)
        scores = {policy.name: policy.score(now, history).tolist() for policy in policies}
        frames = exit.lengths.tolist()
        for row, path in enumerate(speak(exit, log_probs)):
            own = {name: values[row] for name, values in scores.items()}
            utterances[row].append(ScoredExit(exit.layer, frames[row], path, own))
        if any(policy.reads_history for policy in policies):
            history.append(now)
    return utterances


def _decide(
    model: ExitModel,
    exit: Exit,
    log_probs: Tensor | None,
    scores: Tensor,
    stopped: Tensor,
    speak: Speaker,
) -> list[tuple[int, Decision]]:
    """Decisions of the rows that stop here, with their place in the input."""
    rows = stopped.nonzero().squeeze(1)
    leaving = replace(
        exit,
        hidden=exit.hidden[rows],
        lengths=exit.lengths[rows],
        utterances=exit.utterances[rows],
    )
    own = model.exit_log_probs(leaving) if log_probs is None else log_probs[rows]
    paths = speak(leaving, own)
    places, frames = leaving.utterances.tolist(), leaving.lengths.tolist()
    return [
        (place, Decision(exit.index, exit.layer, value, count, path))
        for place, value, count, path in zip(
            places, scores[rows].tolist(), frames, paths, strict=True
        )
    ]
