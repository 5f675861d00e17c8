"""Law 10: a training that was interrupted and resumed ends with the weights of one that was not."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
import torch
import yaml
from model_factory import make_settings, make_waves

SAMPLES = [9000, 11000, 8000, 12000, 10000, 9500]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data directory with shapes, and the YAML of a tiny training."""
    folder = tmp_path_factory.mktemp("resume")
    wavs, texts, shapes = [], [], []
    for number, wave in enumerate(make_waves(SAMPLES)):
        path = folder / f"{number}.wav"
        soundfile.write(path, np.clip(wave, -1, 1), 16000)
        wavs.append(f"u{number} {path}")
        texts.append(f"u{number} A B")
        shapes.append(f"u{number} {len(wave)}")
    for name, lines in {"wav.scp": wavs, "text": texts, "speech_shape": shapes}.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = make_settings(
        specaug="specaug",
        specaug_conf={"apply_time_warp": False, "time_mask_width_range": [0, 4]},
        batch_type="unsorted",
        batch_size=2,
        num_workers=0,
        num_att_plot=0,
        use_tensorboard=False,
        use_matplotlib=False,
        optim="adam",
        optim_conf={"lr": 0.01, "fused": True},
        scheduler="tristagelr",
        scheduler_conf={"max_steps": 6},
        best_model_criterion=[["valid", "cer_ctc", "min"]],
        keep_nbest_models=1,
    )
    (folder / "train.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def train(folder, name, epochs):
    """Train until ``epochs`` in a folder of its own; resumes what it finds there."""
    from espnet_ee.host.task import EarlyExitASRTask

    words = [f"--config={folder / 'train.yaml'}", f"--output_dir={folder / name}"]
    for part in ("train", "valid"):
        words += [f"--{part}_data_path_and_name_and_type={folder / 'wav.scp'},speech,sound"]
        words += [f"--{part}_data_path_and_name_and_type={folder / 'text'},text,text"]
        words += [f"--{part}_shape_file={folder / 'speech_shape'}"]
    EarlyExitASRTask.main(cmd=[*words, f"--max_epoch={epochs}", "--resume=true", "--seed=3"])
    return torch.load(folder / name / "checkpoint.pth", weights_only=False)


def test_resumed_training_equals_uninterrupted_training(folder):
    whole = train(folder, "whole", 2)
    first = train(folder, "resumed", 1)
    resumed = train(folder, "resumed", 2)
    assert whole["model"].keys() == resumed["model"].keys()
    for name, tensor in whole["model"].items():
        torch.testing.assert_close(resumed["model"][name], tensor, rtol=0, atol=0)
    moved = [not torch.equal(whole["model"][n], t) for n, t in first["model"].items()]
    assert any(moved), "the second epoch trained nothing"
    assert whole["schedulers"] == resumed["schedulers"]
