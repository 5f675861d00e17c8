"""Tiny language models with random weights, as ESPnet's training leaves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from model_factory import TOKENS

LANGUAGE_MODELS: dict[str, dict[str, Any]] = {
    "transformer": {"embed_unit": 8, "att_unit": 12, "head": 2, "unit": 16, "layer": 2},
    "seq_rnn": {"unit": 12, "nlayers": 2, "rnn_type": "lstm"},
}


def make_language_model(folder: Path, kind: str = "transformer", **changes: Any) -> Path:
    """A folder with ``config.yaml`` and parameters; returns the parameters' path."""
    from espnet_ee.host.compat import LMTask

    folder.mkdir(parents=True, exist_ok=True)
    settings = {"lm": kind, "lm_conf": LANGUAGE_MODELS[kind], "token_list": list(TOKENS), **changes}
    config = folder / "train.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    parser = LMTask.get_parser()
    args = parser.parse_args(["--config", str(config), "--output_dir", str(folder)])
    torch.manual_seed(3)
    model = LMTask.build_model(args)
    for parameter in model.parameters():
        parameter.data.normal_(0.0, 0.5)
    (folder / "config.yaml").write_text(yaml.safe_dump(vars(args)), encoding="utf-8")
    checkpoint = folder / "valid.loss.ave.pth"
    torch.save(model.state_dict(), checkpoint)
    return checkpoint
