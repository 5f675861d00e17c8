"""One figure: WER against cost in GFLOPs per second of audio, a panel per set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from espnet_ee.baselines import fixed_exits, mix_hull, mix_wer, safe_oracle
from espnet_ee.errors import ConfigError
from espnet_ee.replay import OperatingPoint, sweep, threshold_grid
from espnet_ee.report.files import replacing
from espnet_ee.report.labels import Label, place_labels
from espnet_ee.scored_set import ScoredSet

# Okabe and Ito's colours, told apart with every common colour blindness.
_POLICY_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_FIXED_COLOR = "#222222"
_STAR_COLOR = "#F0C000"
_MIX_COLOR = "#8A8A8A"
_COMPARED_COLOR = "#7A4B9A"
_FLOOR_COLOR = "#ECECEC"
_TICKS = (0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 60, 80, 100, 150, 200)
_CURVE_POINTS = 60
_LINE_SAMPLES = 300  # one or two pixels apart
_CURVE_WIDTHS = (3.2, 2.0, 1.3)  # thinner ones are drawn on top where curves coincide
_FEWEST_TICKS = 3
_FAR = 1.5  # times this experiment's largest cost or WER
_MOST_COLUMNS = 3
_PANEL_INCHES = (6.0, 5.0)
_DOTS_PER_INCH = 100


@dataclass(frozen=True)
class Panel:
    """What is drawn of one set."""

    title: str
    fixed: Sequence[OperatingPoint]
    oracle: OperatingPoint
    curves: Mapping[str, Sequence[OperatingPoint]]
    floor_gflops_per_second: float | None
    compared: Mapping[str, Sequence[OperatingPoint]] = field(default_factory=dict)


def make_panel(
    title: str,
    scored: ScoredSet,
    policies: Sequence[str],
    compared: Mapping[str, Sequence[OperatingPoint]] | None = None,
) -> Panel:
    """Return the panel of one set: fixed exits, safe oracle and a curve per policy.

    A model with one exit has nothing to choose, so its panel holds that exit alone.
    """
    if len(scored.layers) == 1:
        policies = ()
    grids = {name: threshold_grid(scored.scores[name], _CURVE_POINTS) for name in policies}
    fixed = fixed_exits(scored)
    return Panel(
        title=title,
        fixed=fixed,
        oracle=safe_oracle(scored),
        curves={name: sweep(scored, name, grid.tolist()) for name, grid in grids.items()},
        floor_gflops_per_second=scored.header.floor_gflops_per_second,
        compared=_comparable(compared or {}, fixed),
    )


def _comparable(
    compared: Mapping[str, Sequence[OperatingPoint]], fixed: Sequence[OperatingPoint]
) -> dict[str, list[OperatingPoint]]:
    """Leave to the tables what would squeeze the experiment itself into a corner."""
    most_gflops = _FAR * max(point.gflops_per_second for point in fixed)
    most_wer = _FAR * max(point.wer for point in fixed)
    near = {
        name: [p for p in points if p.gflops_per_second <= most_gflops and p.wer <= most_wer]
        for name, points in compared.items()
    }
    return {name: points for name, points in near.items() if points}


def check_matplotlib() -> None:
    """Say early, before any work, that figures need matplotlib.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "The figure needs matplotlib, which is not installed.",
            fix="pip install 'espnet-ee[report]'",
        ) from error


def draw(panels: Sequence[Panel], path: str | Path) -> None:
    """Draw the panels side by side into a PNG, 600 x 500 pixels each."""
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    width, height = _PANEL_INCHES
    columns = len(panels) if len(panels) <= _MOST_COLUMNS else 2
    rows = math.ceil(len(panels) / columns)
    spacing = ConstrainedLayoutEngine(wspace=0.03, hspace=0.05)
    figure = Figure((width * columns, height * rows), dpi=_DOTS_PER_INCH, layout=spacing)
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for spare in grid.flat[len(panels) :]:
        spare.set_visible(False)
    shown = list(grid.flat[: len(panels)])
    for axes, panel in zip(shown, panels, strict=True):
        _draw_lines(axes, panel)
        _decorate(axes, panel)
    _scale(shown, panels)
    for axes in grid[:, 0]:
        axes.set_ylabel("WER, % (log scale)" if axes.get_yscale() == "log" else "WER, %")
    figure.canvas.draw()
    figure.set_layout_engine("none")
    for axes, panel in zip(shown, panels, strict=True):
        drawn = np.concatenate([_drawn(panel), _draw_floor(axes, panel)])
        place_labels(axes, _labels(panel), drawn)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _xy(points: Sequence[OperatingPoint]) -> NDArray[np.float64]:
    """Return costs and WER in percent, ``(N, 2)``."""
    return np.array([(point.gflops_per_second, 100 * point.wer) for point in points])


def _mix(panel: Panel) -> NDArray[np.float64]:
    """Return the mix of fixed exits, sampled: a straight line bends on a log axis."""
    hull = mix_hull(panel.fixed)
    costs = np.linspace(hull[0][0], max(point.gflops_per_second for point in panel.fixed), 200)
    return np.array([(cost, 100 * mix_wer(hull, cost)) for cost in costs])


def _colors(panel: Panel) -> dict[str, str]:
    return {
        name: _POLICY_COLORS[index % len(_POLICY_COLORS)] for index, name in enumerate(panel.curves)
    }


def _draw_lines(axes: Any, panel: Panel) -> None:
    axes.plot(*_mix(panel).T, color=_MIX_COLOR, linewidth=1.4, linestyle=(0, (4, 2)), zorder=2)
    axes.plot(*_xy(panel.fixed).T, "o", color=_FIXED_COLOR, markersize=7, zorder=4)
    for index, (name, color) in enumerate(_colors(panel).items()):
        width = _CURVE_WIDTHS[min(index, len(_CURVE_WIDTHS) - 1)]
        axes.plot(*_xy(panel.curves[name]).T, color=color, linewidth=width, zorder=3)
    if len(panel.fixed) > 1:
        star = {"color": _STAR_COLOR, "markeredgecolor": _FIXED_COLOR, "markersize": 17}
        axes.plot(*_xy([panel.oracle]).T, "*", zorder=4, **star)
    for points in panel.compared.values():
        axes.plot(*_xy(points).T, "D", color=_COMPARED_COLOR, markersize=7, zorder=4)


def _draw_floor(axes: Any, panel: Panel) -> NDArray[np.float64]:
    """Shade what no exit can save, and say so along the band; return points of the words."""
    if panel.floor_gflops_per_second is None and len(panel.fixed) == 1:
        return np.empty((0, 2))
    if panel.floor_gflops_per_second is None:
        floor, words = panel.fixed[0].gflops_per_second, "nothing is cheaper than the first exit"
    else:
        floor, words = panel.floor_gflops_per_second, "floor: before block 1, paid by all"
    axes.axvspan(0, floor, color=_FLOOR_COLOR, linewidth=0, zorder=0)
    middle = max(floor / 2, 0.022 * axes.get_xlim()[1])  # a thin band: half a line of text
    text = axes.text(
        middle,
        0.03,
        words,
        transform=axes.get_xaxis_transform(),
        rotation=90,
        fontsize=8.5,
        color="#666666",
        ha="center",
        va="bottom",
    )
    box = text.get_window_extent(axes.get_figure().canvas.get_renderer())
    along = np.linspace(box.y0, box.y1, _LINE_SAMPLES)
    points = np.stack([np.full_like(along, (box.x0 + box.x1) / 2), along], axis=1)
    spoken: NDArray[np.float64] = axes.transData.inverted().transform(points)
    return spoken


def _decorate(axes: Any, panel: Panel) -> None:
    axes.set_title(panel.title, fontsize=12, fontweight="bold", loc="left")
    axes.set_xlabel("cost, GFLOPs per second of audio", fontsize=11)
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.7, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _everything(panel: Panel) -> NDArray[np.float64]:
    parts = [panel.fixed, [panel.oracle], *panel.curves.values(), *panel.compared.values()]
    return np.concatenate([_xy(part) for part in parts])


def _scale(axes: Sequence[Any], panels: Sequence[Panel]) -> None:
    """Costs start at 0, the waveform; WER is logarithmic unless something is faultless."""
    values = np.concatenate([_everything(panel) for panel in panels])
    low, high = values[:, 1].min(), values[:, 1].max()
    for axis, panel in zip(axes, panels, strict=True):
        axis.set_xlim(0, 1.06 * _everything(panel)[:, 0].max())
    if low <= 0:
        high = high or 1.0
        axes[0].set_ylim(-0.04 * high, 1.1 * high)
        return
    axes[0].set_yscale("log")
    axes[0].set_ylim(low / 1.25, high * 1.2)
    ticks = [tick for tick in _TICKS if low / 1.25 <= tick <= high * 1.2]
    if len(ticks) < _FEWEST_TICKS:
        ticks = list(np.unique(np.linspace(low, high, 5).round(1)))
    axes[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0].minorticks_off()


def _drawn(panel: Panel) -> NDArray[np.float64]:
    """Return what labels must not cover: markers, and lines sampled every few pixels."""
    lines = [_mix(panel), *(_dense(_xy(curve)) for curve in panel.curves.values())]
    return np.concatenate([_everything(panel), *lines])


def _dense(line: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = np.linspace(0, len(line) - 1, _LINE_SAMPLES)
    return np.stack([np.interp(steps, np.arange(len(line)), part) for part in line.T], axis=1)


def _labels(panel: Panel) -> list[Label]:
    fixed = _xy(panel.fixed)
    layers = [f"{point.mean_layer:.0f}" for point in panel.fixed]
    layers[0] = f"layer {layers[0]}"
    labels = [
        Label(text, place[None], _FIXED_COLOR, 10, "bold")
        for text, place in zip(layers, fixed, strict=True)
    ]
    if len(panel.fixed) > 1:
        labels.append(Label("safe oracle", _xy([panel.oracle]), _FIXED_COLOR, clearance=6))
    for name, points in panel.compared.items():
        labels.append(Label(name, _xy(points[-1:]), _COMPARED_COLOR))
    lines = [
        (name, _dense(_xy(panel.curves[name])), color, 10.5, "bold")
        for name, color in _colors(panel).items()
    ]
    if len(panel.fixed) > 1:
        lines.append(("mix of fixed exits", _mix(panel), "#666666", 9.5, "normal"))
    for name, line, color, size, weight in lines:
        labels.append(Label(name, _middle(line), color, size, weight, line=line))
    return labels


def _middle(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return every few points of the middle of a line: its ends meet other lines."""
    count = len(line)
    return line[count // 5 : max(4 * count // 5, count // 5 + 1) : max(count // 20, 1)]
