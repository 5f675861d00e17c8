"""Decode batches exit by exit: all of them, or each utterance until its first good one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from espnet_ee.decoding.greedy import greedy_ctc
from espnet_ee.decoding.history import History
from espnet_ee.decoding.hypothesis import Hypothesis, Speaker
from espnet_ee.decoding.look_back import LookBack
from espnet_ee.decoding.timestamps import TimedSpeaker
from espnet_ee.exits import Exit
from espnet_ee.policies import Evidence, ExitPolicy, stops
from espnet_ee.walk import Batch, Walk


class ExitModel(Protocol):
    """What decoding needs of a model."""

    def walk(self, batches: Iterable[Batch]) -> Walk:
        """A lazy pass over batches of features."""

    def exit_log_probs(self, exit: Exit) -> Tensor:
        """``(B, T, V)`` of one exit."""


# An exit to (B,) bool: the utterances that may go no deeper, all of them at the last exit.
Ends = Callable[[Exit], Tensor]


@dataclass(frozen=True)
class Decision:
    """Where one utterance stopped and what it said there.

    Attributes:
        exit_index: Counts exits from 0.
        layer: Counts blocks from 1.
        scores: The policy's scores of the exits passed and, last, of that one.
        frames: Real frames behind the stem.
        path: What it said.
        said_layer: The exit that said it: ``layer``, or an earlier one by look-back.
    """

    exit_index: int
    layer: int
    scores: tuple[float, ...]
    frames: int
    path: Hypothesis
    said_layer: int

    @property
    def score(self) -> float:
        """The policy's score at that exit."""
        return self.scores[-1]


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
    batches: Iterable[Batch],
    policy: ExitPolicy,
    threshold: float,
    compact: bool = True,
    speak: Speaker = speak_greedily,
    ends: Ends | None = None,
    timestamps: bool = False,
) -> list[Decision]:
    """Stop each utterance at its first exit whose score reaches the threshold.

    Args:
        model: Walks and speaks.
        batches: What is left of several goes on in fewer, fuller ones, none larger than these.
        policy: The exit rule.
        threshold: In the policy's unit.
        compact: Drop stopped utterances from their batch; False computes on for all of
            them and only ignores the rest (the same decisions, for tests and benchmarks).
        speak: Makes the text of those that stop at an exit.
        ends: Which utterances an exit is the last for; None: the model's last exit for all.
        timestamps: Tell when each token was said.

    Returns:
        One decision per utterance, in input order.
    """
    decisions: dict[int, Decision] = {}
    seen: dict[int, list[float]] = defaultdict(list)  # scores of each utterance
    history = History()
    look_back = LookBack(policy.look_back, timestamps) if policy.look_back else None
    if timestamps and not look_back:
        speak = TimedSpeaker(speak)
    walk = model.walk(batches)
    for exit in walk:
        log_probs = model.exit_log_probs(exit) if policy.reads_posteriors else None
        now = _evidence(exit, log_probs)
        passed = history.of(exit.utterances) if policy.reads_history else []
        scores = policy.score(now, passed)
        for place, score in zip(exit.utterances.tolist(), scores.tolist(), strict=True):
            seen[place].append(score)
        if look_back:
            look_back.see(now, passed)
        stopped = stops(scores, threshold, exit.last if ends is None else ends(exit))
        if not compact:
            stopped &= _undecided(exit, decisions)
        some_stop = bool(stopped.any())
        if some_stop:
            decided = _decide(model, exit, log_probs, seen, stopped, speak)
            decisions.update(_surest(decided, look_back) if look_back else decided)
        going_on = ~stopped if compact else _undecided(exit, decisions).any().expand_as(stopped)
        if policy.reads_history:
            passing = now.passed(keep_hidden=policy.reads_hidden)
            if some_stop:
                history.forget(exit.utterances[~going_on])
                passing = passing.take(going_on.nonzero().squeeze(1))
            history.add(passing)
        walk.keep(going_on)
    return [decisions[place] for place in sorted(decisions)]


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
    for exit in model.walk([(features, lengths)]):
        log_probs = model.exit_log_probs(exit)
        now = _evidence(exit, log_probs)
        scores = {policy.name: policy.score(now, history).tolist() for policy in policies}
        frames = exit.lengths.tolist()
        for row, path in enumerate(speak(exit, log_probs)):
            own = {name: values[row] for name, values in scores.items()}
            utterances[row].append(ScoredExit(exit.layer, frames[row], path, own))
        if any(policy.reads_history for policy in policies):
            keep_hidden = any(policy.reads_hidden for policy in policies)
            history.append(now.passed(keep_hidden))
    return utterances


def _evidence(exit: Exit, log_probs: Tensor | None) -> Evidence:
    return Evidence(
        exit.index, exit.layer, log_probs, exit.lengths, exit.utterances, hidden=exit.hidden
    )


def _undecided(exit: Exit, decisions: Mapping[int, Decision]) -> Tensor:
    """``(B,)`` bool: the rows that have not stopped yet."""
    undecided = [place not in decisions for place in exit.utterances.tolist()]
    return torch.tensor(undecided, device=exit.utterances.device)


def _decide(
    model: ExitModel,
    exit: Exit,
    log_probs: Tensor | None,
    seen: Mapping[int, Sequence[float]],
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
        (place, Decision(exit.index, exit.layer, tuple(seen[place]), count, path, exit.layer))
        for place, count, path in zip(places, frames, paths, strict=True)
    ]


def _surest(
    decided: Iterable[tuple[int, Decision]], look_back: LookBack
) -> list[tuple[int, Decision]]:
    """The same decisions, with what the surest of the exits seen said."""
    found = []
    for place, decision in decided:
        said = look_back.surest(place)
        found.append((place, replace(decision, path=said.path, said_layer=said.layer)))
    return found
