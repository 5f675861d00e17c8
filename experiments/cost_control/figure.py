"""The step of difficulty as a picture: mean cost, windowed mean cost, threshold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from summarise import BAND, HALF, HERE, KINDS, SHARES, WINDOW, Sets, read_sets, windowed

from espnet_ee.controller import CostCurve
from espnet_ee.streams import replay_stream

STYLES = {"controller": ("#0072B2", "-", 2.0), "fixed": ("#D55E00", "--", 1.5)}
NAMES = {"controller": "controller", "fixed": "fixed threshold of dev"}


def draw(sets: Sets, path: Path, policy: str = "entropy", share: float = SHARES[1]) -> None:
    """Running mean, windowed mean and threshold of one stream, controlled and fixed."""
    curve = CostCurve.of(sets.dev, policy)
    target = share * float(curve.costs[-1])
    figure = Figure((9.0, 8.4), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    mean, window, level = figure.subplots(3, 1, sharex=True)
    at = np.arange(1, 2 * HALF + 1)
    for kind, make in KINDS.items():
        stream = replay_stream(sets.stream, policy, make(curve, target), sets.order(0).tolist())
        color, line, width = STYLES[kind]
        style = {"color": color, "linestyle": line, "linewidth": width, "label": NAMES[kind]}
        running = np.cumsum(stream.costs) / np.cumsum(stream.seconds)
        mean.plot(at, running, **style)
        window.plot(at[WINDOW - 1 :], windowed(stream), **style)
        level.step(at, stream.thresholds, where="mid", **{**style, "linewidth": width / 2})
    for axes in (mean, window):
        band = ((1 - BAND) * target, (1 + BAND) * target)
        axes.axhspan(*band, color="#DDDDDD", label="target ± 5 %")
        axes.axhline(target, color="#777777", linewidth=0.8)
        axes.set_ylabel("GFLOPs per second of audio")
        axes.set_ylim(0.85 * target, 1.32 * target)
    mean.set_title("Mean cost since the start", loc="left")
    window.set_title(f"Mean cost of the last {WINDOW} utterances", loc="left")
    level.set_title(f"Threshold of {policy}", loc="left")
    level.set_ylabel(sets.dev.header.policies[policy].unit)
    level.set_xlabel("utterance")
    for axes in (mean, window, level):
        axes.axvline(HALF + 0.5, color="#444444", linestyle=":", linewidth=1.2)
        axes.grid(alpha=0.25)
        axes.set_xlim(0, 2 * HALF)
    top = mean.get_ylim()[1]
    for side, align, text in ((-6, "right", "clean"), (6, "left", "noisy")):
        at = {"xytext": (side, -6), "textcoords": "offset points", "ha": align, "va": "top"}
        mean.annotate(text, (HALF, top), **at)
    mean.legend(loc="upper left", framealpha=0.9)
    figure.savefig(path)


if __name__ == "__main__":
    draw(read_sets(HERE / "records"), HERE / "cost_control.png")
