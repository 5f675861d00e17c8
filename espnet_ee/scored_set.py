"""A record as arrays: what every exit got wrong, what it costs, how sure it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.records import Record, RecordHeader
from espnet_ee.scoring import (
    ErrorCounts,
    FloatArray,
    IntArray,
    count_characters,
    count_words,
    references_of,
    speakers_of,
)

LAYER = "layer"
"""The fixed exit: its score is the layer number, and it reads no posteriors."""


@dataclass(frozen=True)
class ScoredSet:
    """One set as arrays: what every exit got wrong, what it costs, how sure it was.

    Attributes:
        words: Word errors, ``(U, E)``.
        characters: Character errors, ``(U, E)``.
        seconds: Audio length, ``(U,)``.
        frames: Behind the stem, ``(U,)``.
        body_gflops: Cumulative cost up to each exit, ``(U, E)``.
        head_gflops: Cost of each exit's own head, without scoring, ``(U, E)``.
        text_gflops: Cost of finding each exit's text beyond its head, ``(U, E)``.
        scores: Policy -> ``(U, E)``, NaN where unknown; always holds ``layer``.
        speakers: ``U`` names, None where unknown.
    """

    header: RecordHeader
    words: ErrorCounts
    characters: ErrorCounts
    seconds: FloatArray
    frames: IntArray
    body_gflops: FloatArray
    head_gflops: FloatArray
    text_gflops: FloatArray
    scores: Mapping[str, FloatArray]
    speakers: tuple[str | None, ...]

    @property
    def layers(self) -> IntArray:
        """Layers of the exits, from 1, ``(E,)``."""
        return np.array(self.header.exits, dtype=np.int64)

    def take(self, rows: IntArray) -> ScoredSet:
        """Some of its utterances, in the order of ``rows`` ``(N,)``."""
        return replace(
            self,
            words=self.words.take(rows),
            characters=self.characters.take(rows),
            seconds=self.seconds[rows],
            frames=self.frames[rows],
            body_gflops=self.body_gflops[rows],
            head_gflops=self.head_gflops[rows],
            text_gflops=self.text_gflops[rows],
            scores={name: values[rows] for name, values in self.scores.items()},
            speakers=tuple(self.speakers[row] for row in rows.tolist()),
        )


def score_set(
    record: Record,
    texts: Mapping[str, str] | None = None,
    utt2spk: Mapping[str, str] | None = None,
) -> ScoredSet:
    """Score every exit of a record; ``texts`` and ``utt2spk`` override what it holds.

    Raises:
        DataError: No utterance, an utterance without reference or speaker, no word at all.
    """
    references = references_of(record, texts)
    hypotheses = [[exit_.text for exit_ in u.exits] for u in record.utterances]
    if not any(reference.split() for reference in references):
        raise DataError(f"Set {record.header.set_name}: no reference word to score against.")
    return ScoredSet(
        header=record.header,
        words=count_words(references, hypotheses),
        characters=count_characters(references, hypotheses),
        seconds=np.array([u.seconds for u in record.utterances]),
        frames=np.array([u.frames for u in record.utterances], dtype=np.int64),
        body_gflops=np.array([u.body_gflops for u in record.utterances]),
        head_gflops=np.array([u.head_gflops for u in record.utterances]),
        text_gflops=np.array([u.text_gflops for u in record.utterances]),
        scores={name: policy_scores(record, name) for name in (LAYER, *record.header.policies)},
        speakers=tuple(speakers_of(record, utt2spk)),
    )


def policy_scores(record: Record, policy: str) -> FloatArray:
    """Return the scores of one policy, ``(U, E)``, higher = surer, NaN = unknown.

    Raises:
        ConfigError: The record holds no such policy.
    """
    exits = record.header.exits
    if policy == LAYER:
        return np.tile(np.array(exits, dtype=np.float64), (len(record.utterances), 1))
    if policy not in record.header.policies:
        raise ConfigError(
            f"The record of set {record.header.set_name} has no scores of this policy.",
            got=policy,
            want=", ".join((LAYER, *record.header.policies)),
        )
    rows = [[exit_.scores[policy] for exit_ in u.exits] for u in record.utterances]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(exits))


def check_same_model(sets: Sequence[ScoredSet]) -> None:
    """Refuse sets that one threshold cannot serve.

    Raises:
        DataError: The sets have different exits, policies or checkpoints.
    """
    first = sets[0].header
    for other in (item.header for item in sets[1:]):
        one, two = _model_of(first), _model_of(other)
        different = [key for key in one if one[key] != two[key]]
        if different:
            raise DataError(
                f"Sets {first.set_name} and {other.set_name} were decoded by different models.",
                got="; ".join(f"{key}: {one[key]} and {two[key]}" for key in different),
                want="the same checkpoint, exits and policies",
                fix="decode both again with one checkpoint",
            )


def pool(sets: Sequence[ScoredSet]) -> ScoredSet:
    """Join several sets of one model, for instance dev_clean and dev_other.

    Raises:
        DataError: The sets are of different models.
    """
    check_same_model(sets)
    first = sets[0]
    return ScoredSet(
        header=first.header,
        words=_stack([item.words for item in sets]),
        characters=_stack([item.characters for item in sets]),
        seconds=np.concatenate([item.seconds for item in sets]),
        frames=np.concatenate([item.frames for item in sets]),
        body_gflops=np.concatenate([item.body_gflops for item in sets]),
        head_gflops=np.concatenate([item.head_gflops for item in sets]),
        text_gflops=np.concatenate([item.text_gflops for item in sets]),
        scores={n: np.concatenate([item.scores[n] for item in sets]) for n in first.scores},
        speakers=tuple(speaker for item in sets for speaker in item.speakers),
    )


def _model_of(header: RecordHeader) -> dict[str, Any]:
    return {
        "checkpoint": header.checkpoint_sha256,
        "exits": header.exits,
        "policies": dict(header.policies),
        "vocab_size": header.vocab_size,
        "decoding": header.decoding,
    }


def _stack(counts: Sequence[ErrorCounts]) -> ErrorCounts:
    return ErrorCounts(
        hits=np.concatenate([count.hits for count in counts]),
        substitutions=np.concatenate([count.substitutions for count in counts]),
        deletions=np.concatenate([count.deletions for count in counts]),
        insertions=np.concatenate([count.insertions for count in counts]),
    )
