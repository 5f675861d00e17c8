"""Replay of a record: any policy and threshold, without the model.

One rule serves every policy: an utterance takes the first exit whose score reaches the
threshold. U utterances, E exits, costs in GFLOPs; WER and CER are fractions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Context

import numpy as np

from espnet_ee.cost import GIGA
from espnet_ee.errors import ConfigError
from espnet_ee.latency import LatencyProfile
from espnet_ee.limits import Limits, allow
from espnet_ee.scored_set import LAYER, ScoredSet
from espnet_ee.scoring import FloatArray, IntArray


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
        picks: Exit index where each utterance stops, ``(U,)``.
        said: Exit index of its text, ``(U,)``: ``picks`` but for look-back.
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
    said: IntArray = field(repr=False, compare=False)


def first_exit(scores: FloatArray, threshold: float, last: IntArray | None = None) -> IntArray:
    """Pick each utterance's exit: the first to reach ``threshold``, else the last.

    Args:
        scores: ``(U, E)``, exits from shallow to deep, in the policy's own unit.
        threshold: Same unit; ``inf`` runs the whole encoder. A NaN score never stops.
        last: ``(U,)`` the deepest exits allowed; None: the model's last one.

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
    return picks if last is None else np.minimum(picks, last)


def surest_exit(scores: FloatArray, picks: IntArray) -> IntArray:
    """Pick, of the exits up to each utterance's ``picks``, the one of highest score.

    Of equal ones the deepest; NaN is the lowest.

    Args:
        scores: ``(U, E)``.
        picks: ``(U,)`` exit indices.
    """
    seen = np.arange(scores.shape[1]) <= picks[:, None]
    known = np.where(np.isnan(scores), -np.inf, scores)
    best = np.where(seen, known, -np.inf).max(axis=1, keepdims=True)
    places = np.where(seen & (known == best), np.arange(scores.shape[1]), -1)
    surest: IntArray = places.max(axis=1)
    return surest


def walk_gflops(scored: ScoredSet, policy: str) -> FloatArray:
    """Return the cost of reaching and reading each exit, ``(U, E)``.

    A policy pays its own scoring of every exit on its way, and each head there if it reads
    posteriors; ``layer`` pays the last head only. To the last bit this is
    ``espnet_ee.cost.UtteranceCost.until``.
    """
    body, heads = scored.body_gflops, scored.head_gflops
    if policy == LAYER:
        return body + heads
    facts = scored.header.policies[policy]
    per_frame = facts.score_flops_per_posterior * scored.header.vocab_size
    scoring = (per_frame + facts.score_flops_per_frame) * scored.frames[:, None] / GIGA  # (U, 1)
    if facts.reads_posteriors:
        total: FloatArray = body + (heads + scoring).cumsum(axis=1)
    else:
        total = body + np.broadcast_to(scoring, heads.shape).cumsum(axis=1) + heads
    return total


def stop_gflops(scored: ScoredSet, policy: str) -> FloatArray:
    """Return the cost of stopping at each exit, ``(U, E)``: of the walk, and of its text.

    To the last bit this is what a run that stops is charged.
    """
    return walk_gflops(scored, policy) + scored.text_gflops


def last_exits(
    scored: ScoredSet, policy: str, limits: Limits, latency: LatencyProfile | None = None
) -> IntArray:
    """Return the deepest exit that each utterance's limits allow, ``(U,)``.

    Raises:
        ConfigError: A deadline without ``latency``.
    """
    costs = walk_gflops(scored, policy) / scored.seconds[:, None]
    rows = zip(costs.tolist(), scored.seconds.tolist(), strict=True)
    layers = scored.header.exits
    allowed = [
        allow(limits, layers, cost, latency.ms(sec) if latency else None) for cost, sec in rows
    ]
    return np.array([one.last for one in allowed], dtype=np.int64)


def operating_point(
    scored: ScoredSet,
    picks: IntArray,
    policy: str,
    threshold: float = math.nan,
    look_back: str | None = None,
) -> OperatingPoint:
    """Return the cost of stopping at ``picks``, ``(U,)``, and the errors of what is said there."""
    rows, said = np.arange(len(picks)), picks
    if look_back is not None:
        said = surest_exit(scored.scores[look_back], picks)
    return OperatingPoint(
        policy=policy,
        threshold=threshold,
        wer=float(scored.words.errors[rows, said].sum() / scored.words.lengths.sum()),
        cer=float(scored.characters.errors[rows, said].sum() / scored.characters.lengths.sum()),
        mean_layer=float(scored.layers[picks].mean()),
        mean_exit_index=float(picks.mean()),
        gflops_per_second=float(
            stop_gflops(scored, policy)[rows, picks].sum() / scored.seconds.sum()
        ),
        histogram=tuple(np.bincount(picks, minlength=len(scored.layers)).tolist()),
        picks=picks,
        said=said,
    )


def replay(
    scored: ScoredSet,
    policy: str,
    threshold: float,
    look_back: str | None = None,
    limits: Limits | None = None,
) -> OperatingPoint:
    """Return what ``policy`` gives at ``threshold``.

    Args:
        scored: All exits of all utterances.
        policy: Whose scores.
        threshold: In its unit.
        look_back: The policy that chooses, of the exits seen, the one that speaks.
        limits: Of each utterance.
    """
    last = None if limits is None else last_exits(scored, policy, limits)
    picks = first_exit(scored.scores[policy], threshold, last)
    return operating_point(scored, picks, policy, threshold, look_back)


def sweep(
    scored: ScoredSet,
    policy: str,
    thresholds: Iterable[float],
    look_back: str | None = None,
    limits: Limits | None = None,
) -> list[OperatingPoint]:
    """Replay one policy at each threshold."""
    return [replay(scored, policy, threshold, look_back, limits) for threshold in thresholds]


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
