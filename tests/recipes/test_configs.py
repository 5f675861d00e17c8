"""Shared YAML: each file says which command uses it, and its exits are blocks of its encoder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(ROOT.glob("conf/train_*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_header_holds_a_command_that_uses_the_file(path: Path) -> None:
    header = re.match(r"(#.*\n)+", path.read_text())
    assert header is not None
    recipes = re.findall(r"^#   cd egs2/(\w+) && ./run\.sh(.*)$", header[0], re.MULTILINE)
    assert recipes
    for recipe, options in recipes:
        settings = (ROOT / "egs2" / recipe / "run.sh").read_text() + options
        assert f"conf/{path.name}" in settings
        assert (ROOT / "egs2" / recipe / "conf" / path.name).exists()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_exits_are_blocks_and_one_criterion_chooses_the_model(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    blocks = config["encoder_conf"]["num_blocks"]
    exits = config["encoder_conf"]["exit_layers"]
    assert exits == sorted(set(exits))
    assert 1 <= exits[0] <= exits[-1] == blocks
    # ESPnet 202511 averages checkpoints wrongly when there are several criteria.
    assert config["best_model_criterion"] == [["valid", "cer_ctc", "min"]]
    assert config["init"] == "none" or config["init"] is None
