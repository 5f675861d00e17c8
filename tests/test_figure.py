"""The figure: right size, labels that overlap neither each other nor the frame."""

import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from record_factory import make_record

from espnet_ee.baselines import fixed_exits
from espnet_ee.errors import ConfigError
from espnet_ee.report import figure
from espnet_ee.report.labels import Label, place_labels
from espnet_ee.scored_set import score_set

POLICIES = ("entropy", "confidence")


def png_size(path):
    data = path.read_bytes()
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def panel(seed=0, **changes):
    scored = score_set(make_record(30, seed=seed, **changes))
    return figure.make_panel(f"set {seed}", scored, POLICIES)


@pytest.mark.parametrize(
    ("count", "size"), [(1, (600, 500)), (2, (1200, 500)), (3, (1800, 500)), (4, (1200, 1000))]
)
def test_panels_stand_side_by_side(tmp_path, count, size):
    figure.draw([panel(seed) for seed in range(count)], tmp_path / "a.png")
    assert png_size(tmp_path / "a.png") == size


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in "ab":
        figure.draw([panel()], tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "changes",
    [{"noise": 0.0}, {"exits": (6,)}, {"floor_gflops_per_second": None}, {"policies": {}}],
    ids=["no errors", "one exit", "no floor", "no policies"],
)
def test_unusual_records_can_be_drawn(tmp_path, changes):
    scored = score_set(make_record(10, **changes))
    drawn = figure.make_panel("test", scored, tuple(scored.header.policies))
    figure.draw([drawn], tmp_path / "a.png")
    assert png_size(tmp_path / "a.png") == (600, 500)


@pytest.mark.parametrize("seed", range(4))
def test_labels_overlap_neither_each_other_nor_the_frame(seed):
    drawn = panel(seed, exits=(2, 4, 6, 8))
    canvas = Figure((6, 5), dpi=100)
    FigureCanvasAgg(canvas)
    axes = canvas.subplots()
    figure._draw_lines(axes, drawn)
    figure._scale([axes], [drawn])
    place_labels(axes, figure._labels(drawn), figure._drawn(drawn))
    renderer = canvas.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    assert len(boxes) == 4 + 1 + len(POLICIES) + 1  # exits, oracle, curves, mix
    assert not any(one.overlaps(two) for one, two in combinations(boxes, 2))
    frame = axes.get_window_extent()
    assert all(frame.x0 <= box.x0 and box.x1 <= frame.x1 for box in boxes)
    assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 for box in boxes)


def test_a_far_label_gets_a_line_to_its_point():
    canvas = Figure((3, 3), dpi=100)
    FigureCanvasAgg(canvas)
    axes = canvas.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    crowd = np.random.default_rng(0).uniform(0.3, 0.7, (3000, 2))
    place_labels(axes, [Label("here", np.array([[0.5, 0.5]]), "black")], crowd)
    assert len(axes.lines) == 1


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"needs matplotlib(.|\n)*espnet-ee\[report\]"):
        figure.check_matplotlib()


def test_what_costs_or_errs_far_more_is_left_to_the_tables():
    scored = score_set(make_record(30))
    first, *_, last = fixed_exits(scored)
    dear = replace(last, gflops_per_second=3 * last.gflops_per_second)
    others = {"near": [first, dear], "bad": [replace(last, wer=3 * first.wer)]}
    drawn = figure.make_panel("test", scored, POLICIES, others)
    assert drawn.compared == {"near": [first]}
