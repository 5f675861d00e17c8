"""Shared YAML: each file says which command uses it, and its exits are blocks of its encoder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LANGUAGE_MODEL = ROOT / "conf/train_lm_transformer.yaml"
RECOGNISERS = sorted(ROOT.glob("conf/train_ee_*.yaml"))


@pytest.mark.parametrize("path", [*RECOGNISERS, LANGUAGE_MODEL], ids=lambda path: path.name)
def test_header_holds_a_command_that_uses_the_file(path: Path) -> None:
    header = re.match(r"(#.*\n)+", path.read_text())
    assert header is not None
    recipes = re.findall(r"^#   cd egs2/(\w+) && ./run\.sh(.*)$", header[0], re.MULTILINE)
    assert recipes
    for recipe, options in recipes:
        scripts = (ROOT / "egs2" / name for name in (f"{recipe}/run.sh", "TEMPLATE_ee/asr_ee.sh"))
        settings = "".join(script.read_text() for script in scripts) + options
        assert f"conf/{path.name}" in settings or "--asr_tag" in options
        assert (ROOT / "egs2" / recipe / "conf" / path.name).exists()


@pytest.mark.parametrize("path", RECOGNISERS, ids=lambda path: path.name)
def test_exits_are_blocks_and_one_criterion_chooses_the_model(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    blocks = config["encoder_conf"]["num_blocks"]
    exits = config["encoder_conf"]["exit_layers"]
    assert exits == sorted(set(exits))
    assert 1 <= exits[0] <= exits[-1] == blocks
    # ESPnet 202511 averages checkpoints wrongly when there are several criteria.
    # A frozen last exit has the same rate in every epoch.
    rate = "cer_exits" if "ctc" in config.get("freeze_param", []) else "cer_ctc"
    assert config["best_model_criterion"] == [["valid", rate, "min"]]
    assert config["init"] == "none" or config["init"] is None


# Vocabulary and parameters of each model at full size, body and heads.
FULL_SIZE = {
    # 31,536,128 in arXiv:2309.09546's code (convolutions 258,560 + 12 x 2,573,568 + 6 heads x
    # 65,792), and 512 for the normalisation that all our exits share.
    "train_ee_conformer_ctc": (256, 31_536_128 + 512),
    "train_ee_conformer_aed": (256, None),
    "train_ee_an4_aed": (30, None),
    "train_ee_e_branchformer": (256, None),
    "train_ee_retrofit": (30, None),
}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_it_builds_at_full_size(name: str, tmp_path: Path) -> None:
    from espnet_ee.host.task import EarlyExitASRTask

    vocab_size, parameters = FULL_SIZE[name]
    command = ["--config", str(ROOT / f"conf/{name}.yaml"), "--output_dir", str(tmp_path)]
    args = EarlyExitASRTask.get_parser().parse_args(command)
    args.token_list = ["<blank>", *(f"t{n}" for n in range(vocab_size - 2)), "<sos/eos>"]
    model = EarlyExitASRTask.build_model(args)
    found = sum(parameter.numel() for parameter in model.parameters())
    assert found == parameters if parameters else found > 3_000_000
    assert model.encoder.exit_layers == tuple(args.encoder_conf["exit_layers"])


def test_the_language_model_builds_at_full_size(tmp_path: Path) -> None:
    from espnet_ee.host.compat import LMTask

    command = ["--config", str(LANGUAGE_MODEL), "--output_dir", str(tmp_path)]
    args = LMTask.get_parser().parse_args(command)
    args.token_list = ["<blank>", *(f"t{n}" for n in range(254)), "<sos/eos>"]
    found = sum(parameter.numel() for parameter in LMTask.build_model(args).parameters())
    embedding, projection, head = 256 * 128, 128 * 512 + 512, 512 * 256 + 256
    block = 4 * (512 * 512 + 512) + (512 * 2048 + 2048) + (2048 * 512 + 512) + 4 * 512
    norms = 4 * 512  # before the first block and behind the last
    assert found == embedding + projection + 16 * block + norms + head
