"""Training curves of every exit: error rates, losses, and how far the two losses are apart."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from espnet_ee.errors import DataError
from espnet_ee.report.figure import check_matplotlib
from espnet_ee.report.files import replacing
from espnet_ee.scoring import FloatArray
from espnet_ee.training_history import TrainingHistory, find_history

logger = logging.getLogger(__name__)

CURVES_NAME = "training_curves.png"

_MARKERS = "osD^vP*Xh<>p"
_DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1)), (0, (5, 1, 1, 1)))
_TRAIN_COLOR, _VALID_COLOR, _GAP_COLOR = "#D55E00", "#0072B2", "#D9D9D9"  # Okabe and Ito
_MOST_COLUMNS = 6
_TOP_INCHES, _SMALL_INCHES = 4.2, 2.3
_WIDTH_INCHES = 13.0
_DOTS_PER_INCH = 100
_MARKED_EPOCHS = 10  # along a curve
_LEGEND_ROWS = 8
_MANY_DECADES = 2.0  # a logarithmic axis names 1, 2, 5 below this, else powers of ten


def write_curves(exp: str | Path, path: str | Path) -> bool:
    """Draw the training of an experiment into a PNG; False where none left a history.

    A report does not fail for want of a picture: a damaged history is told in the log.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        history = find_history(Path(exp))
    except DataError as error:
        logger.warning("no training curves: %s", error.what)
        return False
    if history is None or not history.layers:
        return False
    draw_curves(history, path)
    return True


def draw_curves(history: TrainingHistory, path: str | Path) -> None:
    """Above, the validation's CER and loss of all exits; below, both losses of each exit.

    Raises:
        ConfigError: matplotlib is not installed.
        DataError: The history has no exits.
    """
    if not history.layers:
        raise DataError(f"{history.source} has no statistics of exits.", want="loss_exit02, ...")
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(len(history.layers), _MOST_COLUMNS)
    rows = math.ceil(len(history.layers) / columns)
    size = (_WIDTH_INCHES, _TOP_INCHES + _SMALL_INCHES * rows)
    figure = Figure(size, dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    parts: Any = figure.subfigures(2, 1, height_ratios=(_TOP_INCHES, _SMALL_INCHES * rows))
    top, bottom = parts
    left, right = top.subplots(1, 2)
    _draw_all_exits(left, history, "cer", "CER of validation, %")
    _draw_all_exits(right, history, "loss", "loss of validation")
    small = bottom.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for spare in small.flat[len(history.layers) :]:
        spare.set_visible(False)
    for place, layer in enumerate(history.layers):
        _draw_gap(small.flat[place], history, layer, named=place == 0)
    _scale(small[0, 0], [_loss(history, phase) for phase in ("train", "valid")])
    for axes in small[:, 0]:
        axes.set_ylabel("loss")
    bottom.supxlabel("epoch", fontsize=10)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _loss(history: TrainingHistory, phase: str) -> FloatArray:
    return np.stack([history.of_exit(phase, "loss", layer) for layer in history.layers])


def _draw_all_exits(axes: Any, history: TrainingHistory, quantity: str, title: str) -> None:
    """A line for each exit, told apart by marker and dashes, not by colour alone."""
    from matplotlib import colormaps

    percent = 100.0 if quantity == "cer" else 1.0
    curves = [percent * history.of_exit("valid", quantity, layer) for layer in history.layers]
    shades = colormaps["viridis"](np.linspace(0.0, 0.8, len(curves)))
    every = max(1, len(history.epochs) // _MARKED_EPOCHS)
    for place, (layer, curve) in enumerate(zip(history.layers, curves, strict=True)):
        known = np.isfinite(curve)
        if not known.any():
            continue
        best = np.nanargmin(np.where(known, curve, np.nan))
        axes.plot(
            history.epochs[known],
            curve[known],
            color=shades[place],
            linestyle=_DASHES[place % len(_DASHES)],
            marker=_MARKERS[place % len(_MARKERS)],
            markersize=5,
            markevery=(place % every, every),
            linewidth=1.5,
            label=f"layer {layer}: {curve[best]:.3g} in epoch {history.epochs[best]}",
        )
    _decorate(axes, f"{title}, and each exit's lowest")
    axes.set_xlabel("epoch")
    if not axes.lines:
        axes.text(0.5, 0.5, "not noted in training", transform=axes.transAxes, ha="center")
        return
    _scale(axes, curves)
    names = min(2, math.ceil(len(axes.lines) / _LEGEND_ROWS))
    axes.legend(fontsize=8.5, frameon=False, loc="upper right", ncols=names, handlelength=3.5)


def _draw_gap(axes: Any, history: TrainingHistory, layer: int, named: bool) -> None:
    """One exit's losses in training and validation, and the room between them."""
    train, valid = (history.of_exit(phase, "loss", layer) for phase in ("train", "valid"))
    axes.fill_between(history.epochs, train, valid, color=_GAP_COLOR, linewidth=0)
    small = {"markersize": 3.5, "markevery": max(1, len(history.epochs) // _MARKED_EPOCHS)}
    axes.plot(history.epochs, train, "--s", color=_TRAIN_COLOR, label="training", **small)
    axes.plot(history.epochs, valid, "-o", color=_VALID_COLOR, label="validation", **small)
    _decorate(axes, f"layer {layer}")
    if named:
        axes.legend(fontsize=8, frameon=False, loc="best")


def _decorate(axes: Any, title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, fontsize=10, fontweight="bold", loc="left")
    axes.grid(axis="y", color="#E4E4E4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _scale(axes: Any, curves: Sequence[NDArray[np.float64]]) -> None:
    """Logarithmic where all is above 0: losses fall fast at first and slowly for long."""
    values = np.concatenate([curve.ravel() for curve in curves])
    values = values[np.isfinite(values)]
    if not len(values) or values.min() <= 0.0:
        return
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.set_ylim(values.min() / 1.1, values.max() * 1.1)
    decades = math.log10(values.max() / values.min())
    steps: tuple[float, ...] = (1.0,) if decades > _MANY_DECADES else (1.0, 2.0, 5.0)
    if decades < 0.5:
        steps = tuple(float(step) for step in range(1, 10))
    axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=50))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
