"""From a pre-trained file through ESPnet's trainer to recognition, with the file gone by then."""

from __future__ import annotations

import gc

import pytest
import soundfile
import torch
import yaml
from model_factory import SAMPLE_RATE, TOKENS, make_waves
from ssl_factory import make_ssl_model, ssl_settings

from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.task import EarlyExitASRTask

SAMPLES = [8000, 5003, 9600, 12000, 7000, 16000]
TEXTS = ["A B", "C", "ABC", "J A", "BED", "FACE A"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus of six utterances, shapes as stage 10 leaves them, and pre-trained weights."""
    folder = tmp_path_factory.mktemp("training")
    lines = {"wav.scp": [], "text": [], "speech_shape": [], "text_shape": []}
    for index, (wave, text) in enumerate(zip(make_waves(SAMPLES), TEXTS, strict=True)):
        path = folder / f"{index}.wav"
        soundfile.write(path, wave * 0.5, SAMPLE_RATE)
        lines["wav.scp"].append(f"u{index} {path}")
        lines["text"].append(f"u{index} {text}")
        lines["speech_shape"].append(f"u{index} {len(wave)}")
        lines["text_shape"].append(f"u{index} {len(text)},{len(TOKENS)}")
    for name, content in lines.items():
        (folder / name).write_text("\n".join(content) + "\n")
    (folder / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    pretrained = make_ssl_model(folder / "pretrained", seed=5).encoder.state_dict()
    torch.save(pretrained, folder / "pretrained.pth")
    return folder


def command(folder, *more: str) -> list[str]:
    settings = ssl_settings(
        "hubert_base",
        checkpoint=str(folder / "pretrained.pth"),
        mask_prob=0.3,
        layer_drop_rate=0.1,
    )
    settings["token_list"] = str(folder / "tokens.txt")
    settings |= {
        "max_epoch": 1,
        "batch_type": "numel",
        "batch_bins": 30000,
        "optim": "adam",
        "optim_conf": {"lr": 0.0},
        "best_model_criterion": [["valid", "cer_ctc", "min"]],
        "keep_nbest_models": 1,
        "num_workers": 0,
        "use_tensorboard": False,
        "use_matplotlib": False,
        "log_level": "ERROR",
    }
    (folder / "train.yaml").write_text(yaml.safe_dump(settings))
    words = ["--config", str(folder / "train.yaml"), "--use_preprocessor", "true", "--ngpu", "0"]
    for part in ("train", "valid"):
        for file, name, kind in (("wav.scp", "speech", "sound"), ("text", "text", "text")):
            words += [f"--{part}_data_path_and_name_and_type", f"{folder / file},{name},{kind}"]
    return [*words, *more]


# ESPnet's readers leave files to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_statistics_training_and_recognition(folder):
    shapes = [f"--{part}_shape_file={folder / 'speech_shape'}" for part in ("train", "valid")]
    out = ["--output_dir", str(folder / "stats")]
    EarlyExitASRTask.main(cmd=command(folder, "--collect_stats", "true", *shapes, *out))
    found = (folder / "stats" / "train" / "speech_shape").read_text()
    assert found == (folder / "speech_shape").read_text()

    shapes = [
        f"--{part}_shape_file={folder / name}"
        for part in ("train", "valid")
        for name in ("speech_shape", "text_shape")
    ]
    exp = folder / "exp"
    EarlyExitASRTask.main(cmd=command(folder, *shapes, "--output_dir", str(exp)))
    trained = torch.load(exp / "1epoch.pth", weights_only=True)
    for name, value in torch.load(folder / "pretrained.pth", weights_only=True).items():
        assert trained[f"encoder.{name}"].equal(value), "a learning rate of 0 keeps them"

    gc.collect()
    (folder / "pretrained.pth").unlink()
    asr = EarlyExitSpeech2Text.from_exp(exp)
    results = asr(make_waves(SAMPLES), "entropy", -1.5)
    assert [round(result.seconds * SAMPLE_RATE) for result in results] == SAMPLES
    assert all(result.gflops > 0 and result.frames > 0 for result in results)


def test_noise_and_rooms_leave_a_waveform(tmp_path):
    """ESPnet adds them as ``(N, 1)``."""
    model = make_ssl_model(tmp_path)
    waves = torch.stack([torch.from_numpy(wave) for wave in make_waves([8000, 8000])]).float()
    counts = torch.tensor([8000, 7000])
    with torch.no_grad():
        expected = model.encoder.stem_frames(waves, counts)
        found = model.encoder.stem_frames(waves[:, :, None], counts)
    assert torch.equal(found.hidden, expected.hidden)
    assert torch.equal(found.lengths, expected.lengths)
