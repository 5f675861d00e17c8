"""Pictures of experiments: word error rate of every exit, and where policies stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet_ee.errors import ConfigError
from espnet_ee.report.seeds import Trainings
from experiments.conditions import SHARE, load_conditions, mean_layers

# Okabe and Ito's colours; markers and dashes tell the lines apart without them.
STYLES = (
    {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    {"color": "#D55E00", "marker": "s", "linestyle": "--"},
    {"color": "#009E73", "marker": "^", "linestyle": "-."},
    {"color": "#CC79A7", "marker": "D", "linestyle": ":"},
    {"color": "#444444", "marker": "v", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
)
TICKS = (2, 5, 10, 20, 50, 100)
DRAWN = ("entropy", "patience", "known_words")


def draw_exits(groups: Mapping[str, Sequence[Trainings]], path: Path) -> None:
    """WER against the block of the exit.

    Args:
        groups: Title -> trainings whose exits together make one line.
        path: PNG.
    """
    figure, (axes,) = _canvas(1)
    plot_exits(axes, groups)
    figure.savefig(path)


def plot_exits(axes: Any, groups: Mapping[str, Sequence[Trainings]]) -> None:
    """A line per group: mean over seeds, bars for its 95 % interval, a dot for each seed."""
    for (title, group), style in zip(groups.items(), STYLES, strict=False):
        layers = _layers(group)
        ends = [row for one in group for row in 100 * one.mean_rates()]
        means = [mean for mean, _, _ in ends]
        bars = [[mean - low for mean, low, _ in ends], [high - mean for mean, _, high in ends]]
        axes.errorbar(layers, means, yerr=bars, capsize=3, label=title, **style)
        for one in group:
            for rates in one.rates:
                axes.plot(one.scored[0].header.exits, 100 * rates, ".", ms=4, color="#00000066")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xticks(sorted({layer for group in groups.values() for layer in _layers(group)}))
    axes.set_xlabel("exit behind block")
    axes.set_ylabel("WER in %, log scale")
    axes.grid(alpha=0.25)
    columns = 1 if max(map(len, groups)) > 20 else 3
    axes.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)


def _layers(group: Sequence[Trainings]) -> list[int]:
    return [layer for one in group for layer in one.scored[0].header.exits]


def draw_conditions(records: Path, path: Path, *, sets: Mapping[str, str], dev: str) -> None:
    """WER of every exit on each kind of speech, and the mean layer of some policies."""
    found, chosen_on = load_conditions(records, sets, dev)
    figure, (left, right) = _canvas(2)
    plot_exits(left, {title: [one] for title, one in found.items()})
    for name, style in zip(DRAWN, STYLES, strict=False):
        if name not in chosen_on.scored[0].header.policies:
            continue
        try:
            right.plot(list(found), mean_layers(found, chosen_on, name), label=name, **style)
        except ConfigError:  # even its cheapest threshold costs more
            continue
    right.set_title(f"Thresholds for {100 * SHARE:.0f} % of the cost on dev", loc="left")
    right.set_ylabel("mean layer of the exit")
    right.set_ylim(bottom=0)
    right.grid(alpha=0.25)
    for label in right.get_xticklabels():
        label.set(rotation=20, ha="right", rotation_mode="anchor")
    if right.lines:
        right.legend(fontsize="small")
    figure.savefig(path)


def _canvas(panels: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((6.4 * panels, 4.8), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, panels, squeeze=False)[0]
