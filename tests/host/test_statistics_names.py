"""TensorBoard and W&B show what ESPnet's reporter is given; we add names and touch neither."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from model_factory import make_model, make_waves

import espnet_ee
from espnet_ee.host.compat import Reporter, Trainer
from espnet_ee.host.task import EarlyExitTrainer

ESPNETS = {"loss", "loss_ctc", "cer_ctc"}
OURS = {f"{name}_exit{layer:02d}" for name in ("loss", "cer") for layer in (2, 4, 6)}


class Writer:
    """Stands in for TensorBoard's."""

    def __init__(self):
        self.names = []

    def add_scalar(self, name, value, step):
        self.names.append(name)


def test_the_names_are_espnets_and_those_of_exits(tmp_path):
    model = make_model(tmp_path)
    [wave] = make_waves([16000])
    text = torch.tensor([[3, 4, 5]])
    _, stats, weight = model(
        torch.from_numpy(wave)[None], torch.tensor([16000]), text, torch.tensor([3])
    )
    assert {name for name, value in stats.items() if value is not None} == (
        ESPNETS | OURS | {"cer_exits"}
    )
    reporter, writer = Reporter(), Writer()
    reporter.set_epoch(1)
    for phase in ("train", "valid"):
        with reporter.observe(phase) as observed:
            observed.register(stats, weight)
            observed.next()
    reporter.tensorboard_add_scalar(writer, key1="valid")
    assert set(writer.names) >= ESPNETS | OURS


def test_the_trainer_is_espnets_but_for_its_end():
    changed = {name for name in vars(EarlyExitTrainer) if not name.startswith("_")}
    assert changed == {"run"} and issubclass(EarlyExitTrainer, Trainer)


@pytest.mark.parametrize("word", ["tensorboard", "wandb", "SummaryWriter"])
def test_no_module_of_ours_names_them(word):
    sources = Path(espnet_ee.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if word in path.read_text(encoding="utf-8")] == []
