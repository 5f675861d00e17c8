"""Replay of a record: any policy and threshold, without the model.

One rule serves every policy: an utterance takes the first exit whose score reaches the
threshold. U utterances, E exits, costs in GFLOPs; WER and CER are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Context
from typing import Any

import numpy as np

from espnet_ee.cost import GIGA
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


@dataclass(frozen=True)
class OperatingPoint:
    """What one choice of exits gives on one set.

    Attributes:
        policy: Name of the policy, or of the baseline.
        threshold: In the policy's unit; NaN for a baseline without one.
        wer: Word errors over reference words.
        cer: Character errors over reference characters.
        mean_layer: From 1, averaged over utterances.
        mean_exit_index: From 0, averaged over utterances.
        gflops_per_second: Total cost over total seconds of audio.
        histogram: Utterances per exit.
        picks: Exit index of each utterance, ``(U,)``.
    """

    policy: str
    threshold: float
    wer: float
    cer: float
    mean_layer: float
    mean_exit_index: float
    gflops_per_second: float
    histogram: tuple[int, ...]
    picks: IntArray = field(repr=False, compare=False)


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


def first_exit(scores: FloatArray, threshold: float) -> IntArray:
    """Pick each utterance's exit: the first to reach ``threshold``, else the last.

    Args:
        scores: ``(U, E)``, exits from shallow to deep, in the policy's own unit.
        threshold: Same unit; ``inf`` runs the whole encoder. A NaN score never stops.

    Returns:
        ``(U,)`` exit indices in ``0..E-1``.

    Raises:
        ValueError: There is no exit to choose from, or the threshold is NaN.
    """
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(f"scores must be (U, E) with E > 0, got shape {scores.shape}")
    if math.isnan(threshold):
        raise ValueError("the threshold is NaN")
    reached = scores >= threshold  # False for NaN
    reached[:, -1] = True
    picks: IntArray = reached.argmax(axis=1).astype(np.int64)
    return picks


def stop_gflops(scored: ScoredSet, policy: str) -> FloatArray:
    """Return the cost of stopping at each exit, ``(U, E)``.

    A policy that reads posteriors pays every head on its way and its own scoring of each; any
    other, as ``layer``, pays the last head only. Both pay the text where they stop. To the last
    bit this is what ``espnet_ee.cost.UtteranceCost.until`` charges a run that stops.
    """
    body, heads = scored.body_gflops, scored.head_gflops
    if policy == LAYER or not scored.header.policies[policy].reads_posteriors:
        return body + heads + scored.text_gflops
    per_posterior = scored.header.policies[policy].score_flops_per_posterior
    scoring = per_posterior * scored.frames * scored.header.vocab_size / GIGA  # (U,)
    total: FloatArray = body + (heads + scoring[:, None]).cumsum(axis=1) + scored.text_gflops
    return total


def operating_point(
    scored: ScoredSet, picks: IntArray, policy: str, threshold: float = math.nan
) -> OperatingPoint:
    """Return errors and cost of the given exits ``picks``, ``(U,)``."""
    rows = np.arange(len(picks))
    return OperatingPoint(
        policy=policy,
        threshold=threshold,
        wer=float(scored.words.errors[rows, picks].sum() / scored.words.lengths.sum()),
        cer=float(scored.characters.errors[rows, picks].sum() / scored.characters.lengths.sum()),
        mean_layer=float(scored.layers[picks].mean()),
        mean_exit_index=float(picks.mean()),
        gflops_per_second=float(
            stop_gflops(scored, policy)[rows, picks].sum() / scored.seconds.sum()
        ),
        histogram=tuple(np.bincount(picks, minlength=len(scored.layers)).tolist()),
        picks=picks,
    )


def replay(scored: ScoredSet, policy: str, threshold: float) -> OperatingPoint:
    """Return what ``policy`` gives at ``threshold``."""
    picks = first_exit(scored.scores[policy], threshold)
    return operating_point(scored, picks, policy, threshold)


def sweep(scored: ScoredSet, policy: str, thresholds: Iterable[float]) -> list[OperatingPoint]:
    """Replay one policy at each threshold."""
    return [replay(scored, policy, threshold) for threshold in thresholds]


def threshold_grid(scores: FloatArray, points: int = 50) -> FloatArray:
    """Choose thresholds that spread over what the scores can decide.

    Quantiles of the finite scores of all exits but the last, which stops anyway; every
    distinct score if there are fewer than ``points``. They are rounded down to 6 digits, so
    that a threshold typed from a table stops exactly the same utterances.

    Args:
        scores: ``(U, E)``.
        points: At most this many, including the two infinities.

    Returns:
        Increasing thresholds from ``-inf`` to ``inf``.

    Raises:
        ConfigError: Fewer than 2 points.
    """
    if points < 2:
        raise ConfigError("Too few thresholds.", got=f"{points} points", want="2 or more")
    deciding = scores[:, :-1]
    distinct = np.unique(deciding[np.isfinite(deciding)])
    if len(distinct) > points - 2:
        levels = np.linspace(0.0, 1.0, points - 2)
        finite = deciding[np.isfinite(deciding)]
        distinct = np.unique(np.quantile(finite, levels, method="inverted_cdf"))
    typed = np.unique([_round_down(score) for score in distinct])
    return np.concatenate([[-np.inf], typed, [np.inf]])


def _round_down(value: float) -> float:
    """Return ``value`` or the next lower number of 6 significant digits."""
    return float(Context(prec=6, rounding=ROUND_FLOOR).create_decimal_from_float(float(value)))
