"""Direct labels that overlap neither each other nor what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_ANGLES = np.deg2rad([45, 0, 90, 20, 70, -45, -20, -70, 135, 180, 225, 270, 160, 200])
_DISTANCES_PIXELS = (9, 14, 22, 34, 50, 70, 95)
_MARGIN_PIXELS = 4.0
_SPACIOUS_PIXELS = 100.0
_LEADER_PIXELS = 30  # a label further away gets a thin line to its point


@dataclass(frozen=True)
class Label:
    """A text and where it may stand.

    Attributes:
        anchors: Points in data coordinates, ``(N, 2)``; beside one of them.
        clearance: Pixels to keep from it beyond a small marker's.
        line: The labelled line, densely sampled; default: the anchors.
    """

    text: str
    anchors: Points
    color: str
    size: float = 9.5
    weight: str = "normal"
    clearance: float = 0.0
    line: Points | None = None


@dataclass(frozen=True)
class _Spot:
    """A tried place, in pixels: box (x0, y0, x1, y1), its anchor, and how bad it is."""

    box: tuple[float, float, float, float]
    anchor: Points
    badness: float

    def distances(self, points: Points) -> NDArray[np.float64]:
        """Return the pixels from the box to each point, 0 inside, ``(N,)``."""
        x0, y0, x1, y1 = self.box
        across = np.maximum(np.maximum(x0 - points[:, 0], points[:, 0] - x1), 0)
        along = np.maximum(np.maximum(y0 - points[:, 1], points[:, 1] - y1), 0)
        distances: NDArray[np.float64] = np.hypot(across, along)
        return distances


def place_labels(axes: Any, labels: Sequence[Label], drawn: Points) -> None:
    """Put each label at its least bad place, in the given order.

    Args:
        axes: matplotlib axes with final limits.
        labels: The most important first.
        drawn: ``(N, 2)`` points in data coordinates that no label should cover, lines
            sampled densely.
    """
    figure = axes.get_figure()
    figure.canvas.draw()
    obstacles = axes.transData.transform(drawn)
    frame = axes.get_window_extent()
    taken: list[tuple[float, float, float, float]] = []
    for label in labels:
        text = axes.text(0, 0, label.text, fontsize=label.size, fontweight=label.weight)
        extent = text.get_window_extent(figure.canvas.get_renderer())
        text.remove()
        limits = (frame.x0 + 2, frame.y0 + 2, frame.x1 - 2, frame.y1 - 2)
        anchors = axes.transData.transform(label.anchors)
        own = anchors if label.line is None else axes.transData.transform(label.line)
        foreign = _apart(obstacles, own)
        spots = _spots(anchors, extent.width, extent.height, label.clearance)
        scored = [_judge(spot, obstacles, foreign, taken, limits) for spot in spots]
        best = min(scored, key=lambda spot: spot.badness)
        taken.append(best.box)
        _draw(axes, label, best)


def _apart(points: Points, line: Points) -> Points:
    """Return the points that do not coincide with ``line``."""
    gaps = np.hypot(*(points[:, None] - line[None]).transpose(2, 0, 1)).min(axis=1)
    apart: Points = points[gaps > _MARGIN_PIXELS]
    return apart


def _spots(anchors: Points, width: float, height: float, clearance: float) -> list[_Spot]:
    spots = []
    for rank, anchor in enumerate(anchors):
        for distance in np.add(_DISTANCES_PIXELS, clearance):
            for turn, angle in enumerate(_ANGLES):
                toward = np.array([np.cos(angle), np.sin(angle)])
                # The nearest edge or corner of the text, not its centre, keeps the distance.
                reach = np.clip(1.5 * toward, -1, 1) * np.array([width, height]) / 2
                centre = anchor + toward * distance + reach
                box = (
                    centre[0] - width / 2,
                    centre[1] - height / 2,
                    centre[0] + width / 2,
                    centre[1] + height / 2,
                )
                spots.append(_Spot(box, anchor, distance + 0.4 * turn + 0.2 * rank))
    return spots


def _judge(
    spot: _Spot,
    obstacles: Points,
    foreign: Points,
    taken: Sequence[tuple[float, float, float, float]],
    frame: tuple[float, float, float, float],
) -> _Spot:
    x0, y0, x1, y1 = spot.box
    covered = int((spot.distances(obstacles) < _MARGIN_PIXELS).sum())
    nearest_foreign = float(spot.distances(foreign).min(initial=_SPACIOUS_PIXELS))
    own = float(spot.distances(spot.anchor[None])[0])
    misleading = max(own + _MARGIN_PIXELS - nearest_foreign, 0.0)
    overlaps = sum(
        x0 < box[2] + 3 and box[0] < x1 + 3 and y0 < box[3] + 1 and box[1] < y1 + 1 for box in taken
    )
    outside = x0 < frame[0] or y0 < frame[1] or x1 > frame[2] or y1 > frame[3]
    badness = spot.badness + 60 * min(covered, 30) + 5 * misleading
    badness += 3000 * overlaps + 9000 * outside
    return _Spot(spot.box, spot.anchor, float(badness))


def _draw(axes: Any, label: Label, spot: _Spot) -> None:
    to_data = axes.transData.inverted()
    x0, y0, x1, y1 = spot.box
    centre = to_data.transform(((x0 + x1) / 2, (y0 + y1) / 2))
    nearest = np.clip(spot.anchor, (x0, y0), (x1, y1))
    if np.hypot(*(nearest - spot.anchor)) > _LEADER_PIXELS:
        line = to_data.transform([spot.anchor, nearest])
        axes.plot(line[:, 0], line[:, 1], color=label.color, linewidth=0.6, zorder=1)
    axes.text(
        *centre,
        label.text,
        color=label.color,
        fontsize=label.size,
        fontweight=label.weight,
        ha="center",
        va="center",
        zorder=5,
    )
