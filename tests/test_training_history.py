"""Histories of trainings: what ESPnet's reporter noted comes back, and nothing in a file runs."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest
import torch

from espnet_ee.bin.main import main
from espnet_ee.errors import DataError
from espnet_ee.report.curves import CURVES_NAME, draw_curves, write_curves
from espnet_ee.training_history import TrainingHistory, find_history

LAYERS = (2, 4, 12)


def report(epochs, layers=LAYERS):
    """ESPnet's reporter after so many epochs, of values that can be told apart."""
    from espnet_ee.host.compat import Reporter

    reporter = Reporter()
    for epoch in range(1, epochs + 1):
        for phase in ("train", "valid"):
            reporter.set_epoch(epoch)
            with reporter.observe(phase) as observed:
                for step in range(2):
                    stats = {f"loss_exit{n:02d}": torch.tensor(n / epoch + step) for n in layers}
                    if phase == "valid":
                        stats |= {f"cer_exit{n:02d}": 1 / (epoch * n) for n in layers}
                    observed.register(stats, 3)
                    observed.next()
    return reporter


def save(folder, reporter):
    """``checkpoint.pth`` as ESPnet's trainer writes it, the parts that matter."""
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    states = {
        "model": model.state_dict(),
        "reporter": reporter.state_dict(),
        "optimizers": [optimizer.state_dict()],
        "schedulers": [None],
        "scaler": None,
    }
    torch.save(states, folder / "checkpoint.pth")


def test_a_checkpoint_gives_what_the_reporter_has(tmp_path):
    reporter = report(3)
    save(tmp_path, reporter)
    history = find_history(tmp_path)
    assert history.source == tmp_path / "checkpoint.pth"
    assert history.epochs.tolist() == [1, 2, 3] and history.layers == LAYERS
    for phase in ("train", "valid"):
        for layer in LAYERS:
            for quantity in ("loss", "cer"):
                name, found = f"{quantity}_exit{layer:02d}", history.of_exit(phase, quantity, layer)
                if reporter.has(phase, name):
                    wanted = [reporter.get_value(phase, name, epoch) for epoch in (1, 2, 3)]
                    np.testing.assert_array_equal(found, wanted)
                else:
                    assert (phase, quantity) == ("train", "cer") and np.isnan(found).all()


def test_a_log_gives_the_same_to_three_digits(tmp_path):
    reporter = report(3)
    save(tmp_path, reporter)
    exact = find_history(tmp_path)
    (tmp_path / "checkpoint.pth").unlink()
    lines = [f"[host] 2026-01-01 (trainer:394) INFO: {reporter.log_message(n)}" for n in (1, 2, 3)]
    lines.insert(1, "[host] INFO: 1epoch results: [train] loss_exit02=9.0, time=1 minute and 2 s")
    lines.insert(1, lines.pop(0))  # what is said again later counts
    (tmp_path / "train.log").write_text("# command\n" + "\n".join(lines) + "\n")
    history = find_history(tmp_path)
    assert history.source == tmp_path / "train.log" and history.layers == LAYERS
    for key, values in history.values.items():
        np.testing.assert_allclose(values, exact.values[key], atol=6e-4)
    assert set(history.values) >= {("valid", "cer_exit12"), ("train", "loss_exit02")}


def test_a_damaged_checkpoint_gives_way_to_the_log(tmp_path, caplog):
    (tmp_path / "checkpoint.pth").write_bytes(b"PK half a file")
    with pytest.raises(DataError, match="is not the state of a training, or is damaged"):
        find_history(tmp_path)
    assert not write_curves(tmp_path, tmp_path / "a.png")
    assert "no training curves" in caplog.text
    (tmp_path / "train.log").write_text(report(1).log_message() + "\n")
    assert find_history(tmp_path).source.name == "train.log"
    assert "its curves are from" in caplog.text


@pytest.mark.parametrize("states", [{}, {"reporter": 3}, {"reporter": {"stats": {1: 2}}}, [1]])
def test_another_torch_file_is_refused(states, tmp_path):
    torch.save(states, tmp_path / "checkpoint.pth")
    with pytest.raises(DataError, match="is not the state of a training"):
        find_history(tmp_path)


def test_nothing_in_a_checkpoint_runs(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    states = {"reporter": {"stats": {1: {"valid": {"loss_exit02": 1.0}}}}, "model": Trap()}
    with zipfile.ZipFile(tmp_path / "checkpoint.pth", "w") as file:
        file.writestr("checkpoint/data.pkl", pickle.dumps(states))
    assert find_history(tmp_path).layers == (2,)
    assert not (tmp_path / "sprung").exists()


def test_no_training_no_history(tmp_path, capsys):
    assert find_history(tmp_path) is None
    assert not write_curves(tmp_path, tmp_path / CURVES_NAME)
    assert main(["curves", str(tmp_path)]) == 1
    shown = capsys.readouterr().err
    assert "has no state of a training" in shown and "train first" in shown


def history(layers=LAYERS, epochs=12, change=None):
    values = {}
    when = np.arange(1, epochs + 1)
    for layer in layers:
        for phase, more in (("train", 0.0), ("valid", 1.0)):
            values[phase, f"loss_exit{layer:02d}"] = more + 50.0 / when + 1 / layer
        values["valid", f"cer_exit{layer:02d}"] = 1.0 / (when + layer)
    if change:
        change(values)
    return TrainingHistory(tmp_source, when, values)


tmp_source = "a history"


def drop_cer(values):
    for key in [key for key in values if "cer" in key[1]]:
        del values[key]


def spoil(values):
    for curve in values.values():
        curve[1::3] = np.nan
        curve[-1] = np.inf


def perfect(values):
    values["valid", "cer_exit12"][3:] = 0.0


@pytest.mark.parametrize(
    "drawn",
    [
        history(),
        history(epochs=1),
        history(layers=(12,)),
        history(layers=tuple(range(1, 25))),
        history(change=drop_cer),
        history(change=spoil),
        history(change=perfect),
    ],
    ids=["usual", "one epoch", "one exit", "24 exits", "no CER", "gaps", "no errors"],
)
def test_any_history_can_be_drawn(drawn, tmp_path, recwarn):
    draw_curves(drawn, tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    rows = -(-len(drawn.layers) // 6)
    assert (width, height) == (1300, round(420 + 230 * rows))
    assert [str(one.message) for one in recwarn] == []


def test_lines_differ_by_more_than_colour(monkeypatch, tmp_path):
    from matplotlib.figure import Figure

    figures = []
    original = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (figures.append(self), original(self, *a, **k))
    )
    draw_curves(history(layers=tuple(range(1, 13))), tmp_path / "a.png")
    axes = [one for part in figures[0].subfigs for one in part.axes]
    for panel in axes[:2]:
        looks = {(line.get_marker(), line.get_linestyle()) for line in panel.lines}
        assert len(looks) == 12
        names = [text.get_text() for text in panel.get_legend().get_texts()]
        assert names[0].startswith("layer 1: ") and names[11].endswith("in epoch 12")
    train, valid = axes[2].lines
    assert (train.get_linestyle(), train.get_marker()) != (
        valid.get_linestyle(),
        valid.get_marker(),
    )
    np.testing.assert_array_equal(valid.get_ydata() - train.get_ydata(), np.ones(12))
    assert len(axes[2].collections) == 1, "the gap is filled"


def test_the_command_draws_beside_the_training(tmp_path, capsys):
    save(tmp_path, report(2))
    assert main(["curves", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / CURVES_NAME}\n"
    assert (tmp_path / CURVES_NAME).read_bytes().startswith(b"\x89PNG")
    assert main(["curves", str(tmp_path), "--output", "/proc/none/a.png"]) == 1
    assert "/proc/none" in capsys.readouterr().err
