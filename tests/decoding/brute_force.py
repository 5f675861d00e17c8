"""All paths of tiny posteriors, one by one: what a search must find."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Tokens = tuple[int, ...]


def random_posteriors(frames: int, labels: int, seed: int) -> Any:
    """``(T, V)`` log-probabilities."""
    scores = np.random.default_rng(seed).normal(scale=2.0, size=(frames, labels))
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def paths(log_probs: Any) -> Iterator[tuple[Tokens, float]]:
    """Every path's text and log-probability."""
    frames, labels = log_probs.shape
    for path in itertools.product(range(labels), repeat=frames):
        text = tuple(label for label, _ in itertools.groupby(path) if label)
        yield text, float(sum(log_probs[frame, label] for frame, label in enumerate(path)))


def gather(log_probs: Any, join: Callable[[float, float], float]) -> dict[Tokens, float]:
    """Every text, its paths joined by ``np.logaddexp`` or ``max``."""
    texts: dict[Tokens, float] = {}
    for text, value in paths(log_probs):
        texts[text] = join(texts.get(text, -np.inf), value)
    return texts
