"""Reliability diagrams: does a probability of being as good as the last exit come true?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from espnet_ee.errors import ConfigError
from espnet_ee.report.figure import check_matplotlib
from espnet_ee.report.files import replacing
from espnet_ee.rules.applying import as_good_as_last
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import FloatArray, IntArray

_BINS = 8
_FEWEST = 5  # utterances of a bin
_INCHES = 3.2
_DOTS_PER_INCH = 110
_COLOR = "#0072B2"


@dataclass(frozen=True)
class Reliability:
    """Of one exit; bins of equally many utterances, surest last.

    Attributes:
        predicted: Mean probability of each bin, ``(N,)``.
        observed: Share of its utterances that are as good as the last exit, ``(N,)``.
        low: Lower ends of 95 % intervals of that share (Wilson), ``(N,)``.
        high: Upper ends, ``(N,)``.
        error: Expected calibration error: mean of |predicted - observed| over utterances.
    """

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    error: float


def reliability(probabilities: FloatArray, good: IntArray) -> Reliability:
    """Compare ``probabilities`` ``(U,)`` with what came true, ``good`` ``(U,)`` of 0 and 1.

    Source: Guo et al., arXiv:1706.04599, with bins of equal counts.
    """
    from scipy.stats import binomtest

    order = np.argsort(probabilities, kind="stable")
    order = order[: np.isfinite(probabilities).sum()]  # NaN comes last
    bins = _bins(probabilities[order])
    kept = [good[order][part] for part in bins]
    predicted = np.array([probabilities[order][part].mean() for part in bins])
    observed = np.array([part.mean() for part in kept])
    ends = [binomtest(int(part.sum()), len(part)).proportion_ci(method="wilson") for part in kept]
    sizes = np.array([len(part) for part in kept])
    error = float((np.abs(predicted - observed) * sizes).sum() / max(1, sizes.sum()))
    low, high = np.array([end.low for end in ends]), np.array([end.high for end in ends])
    return Reliability(predicted, observed, low, high, error)


def _bins(ordered: FloatArray) -> list[slice]:
    """About equally many of the rising probabilities each, at least ``_FEWEST`` where there are.

    Equal ones are never parted.
    """
    count = max(1, min(_BINS, len(ordered) // _FEWEST))
    ranks = np.linspace(0, len(ordered), count + 1)[1:-1].astype(np.int64)
    edges = [0]
    for edge in np.searchsorted(ordered, ordered[ranks], side="left").tolist():
        if edge - edges[-1] >= _FEWEST and len(ordered) - edge >= _FEWEST:
            edges.append(edge)
    return [slice(*pair) for pair in pairwise([*edges, len(ordered)]) if len(ordered)]


def draw_reliability(scored: ScoredSet, policy: str, path: str | Path) -> None:
    """Draw a panel for each exit but the last.

    Raises:
        ConfigError: The scores are no probabilities, or matplotlib is missing.
    """
    check_matplotlib()
    from matplotlib.figure import Figure

    scores = scored.scores[policy][:, :-1]
    finite = scores[np.isfinite(scores)]
    if len(finite) and (finite.min() < 0.0 or finite.max() > 1.0):
        raise ConfigError(
            "A reliability diagram is of probabilities.",
            got=f"scores of {policy} from {finite.min():.3g} to {finite.max():.3g}",
            fix="add --map isotonic or --map sigmoid, or use --gate logistic",
        )
    good = as_good_as_last(scored)
    exits = scored.header.exits[:-1]
    figure = Figure(figsize=(_INCHES * len(exits), _INCHES + 1.2), layout="constrained")
    panels = figure.subplots(1, len(exits), sharey=True, squeeze=False)[0]
    for index, (axes, layer) in enumerate(zip(panels, exits, strict=True)):
        _panel(axes, layer, reliability(scores[:, index], good[:, index]))
    panels[0].set_ylabel("share that was")
    figure.suptitle(f"{policy} on {scored.header.set_name}: promised and kept")
    figure.supxlabel("promised probability of being as good as the last exit", fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=_DOTS_PER_INCH, format="png")


def _panel(axes: Any, layer: int, found: Reliability) -> None:
    axes.plot([0, 1], [0, 1], color="#8A8A8A", linestyle="--", linewidth=1.0)
    axes.vlines(found.predicted, found.low, found.high, color=_COLOR, linewidth=1.5)
    axes.plot(found.predicted, found.observed, "o-", color=_COLOR, markersize=5, linewidth=1.0)
    axes.set_title(f"exit at layer {layer}\ncalibration error {found.error:.3f}", fontsize=10)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    axes.set_box_aspect(1)
