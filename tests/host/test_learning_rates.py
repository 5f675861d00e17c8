"""Learning rates of parts: split groups, schedules, errors."""

from __future__ import annotations

import pytest
import torch
from model_factory import make_args, make_model, make_settings

from espnet_ee.errors import ConfigError
from espnet_ee.host.learning_rates import parse_scales, scale_learning_rates
from espnet_ee.host.task import EarlyExitASRTask


def rates(optimizer, model):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(p)]: g["lr"] for g in optimizer.param_groups for p in g["params"]}


def test_each_part_has_its_rate_and_the_longest_prefix_decides(tmp_path):
    model = make_model(tmp_path)
    settings = make_settings(optim="adam", optim_conf={"lr": 0.01})
    settings["lr_scale"] = ["encoder=0.1", "encoder.encoders.0=0.5"]
    [optimizer] = EarlyExitASRTask.build_optimizers(make_args(tmp_path, settings), model)
    found = rates(optimizer, model)
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name, rate in found.items():
        first = name.startswith("encoder.encoders.0.")
        expected = 0.005 if first else 0.001 if name.startswith("encoder.") else 0.01
        assert rate == pytest.approx(expected), name


def test_a_schedule_scales_every_group(tmp_path):
    model = make_model(tmp_path)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scale_learning_rates(optimizer, model, {"encoder": 0.1})
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    optimizer.step()
    schedule.step()
    assert set(rates(optimizer, model).values()) == {0.05, 0.5}


def test_without_scales_nothing_is_split(tmp_path):
    model = make_model(tmp_path)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scale_learning_rates(optimizer, model, {})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    "text", ["encoder", "encoder=", "=0.1", "encoder=0", "encoder=-1", "a=nan"]
)
def test_what_is_not_understood(text):
    with pytest.raises(ConfigError, match="--lr_scale is not understood"):
        parse_scales([text])


def test_a_name_twice():
    with pytest.raises(ConfigError, match="once"):
        parse_scales(["encoder=0.1", "encoder=0.2"])


def test_a_part_that_is_not_there(tmp_path):
    model = make_model(tmp_path)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(ConfigError, match="did you mean encoder"):
        scale_learning_rates(optimizer, model, {"encodr": 0.1})
