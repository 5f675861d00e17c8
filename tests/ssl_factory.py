"""Tiny self-supervised encoders with random weights, alone or in models and experiments."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from model_factory import make_args, make_settings
from torch import Tensor, nn

# 160 samples per frame, 10 ms.
TINY: dict[str, Any] = {
    "encoder_embed_dim": 16,
    "encoder_num_layers": 6,
    "encoder_num_heads": 2,
    "encoder_ff_interm_features": 24,
    "extractor_conv_layer_config": [[12, 10, 5], [12, 8, 4], [12, 4, 4], [12, 2, 2]],
    "encoder_pos_conv_kernel": 8,
    "encoder_pos_conv_groups": 4,
}
PRE_NORM = {"encoder_layer_norm_first": True, "extractor_mode": "layer_norm"}
WAVLM = {"encoder_num_buckets": 16, "encoder_max_distance": 40}

FAMILIES: dict[str, dict[str, Any]] = {
    "hubert_base": {},
    "hubert_large": {**PRE_NORM, "normalize_waveform": True},
    "wav2vec2_lv60k": {**PRE_NORM, "normalize_waveform": True, "extractor_conv_bias": True},
    "wavlm_base": WAVLM,
    "wavlm_large": {**WAVLM, **PRE_NORM, "normalize_waveform": True},
    "odd positional kernel": {"encoder_pos_conv_kernel": 5},
}


def ssl_settings(
    family: str = "hubert_base", model_conf: dict[str, Any] | None = None, **encoder_conf: Any
) -> dict[str, Any]:
    """The YAML of a training run; ``encoder_conf`` and ``model_conf`` add to the tiny ones."""
    sizes = {**TINY, **FAMILIES[family]}
    conf = {"architecture": "custom", "architecture_conf": sizes, "exit_layers": [2, 4, 6]}
    settings = make_settings(
        frontend=None,
        frontend_conf={},
        input_size=1,
        normalize=None,
        model_conf={"extract_feats_in_collect_stats": False, **(model_conf or {})},
    )
    return {**settings, "encoder": "ee_ssl", "encoder_conf": {**conf, **encoder_conf}}


def build_ssl_model(folder: Path, family: str = "hubert_base", seed: int = 0, **encoder_conf: Any):
    """A model in evaluation mode, and the arguments that training would save."""
    from espnet_ee.host.task import EarlyExitASRTask

    folder.mkdir(parents=True, exist_ok=True)
    args = make_args(folder, ssl_settings(family, **encoder_conf))
    torch.manual_seed(seed)
    model = EarlyExitASRTask.build_model(args)
    randomise_ssl(model)
    return model.eval(), args


def make_ssl_model(folder: Path, family: str = "hubert_base", **encoder_conf: Any):
    """A model in evaluation mode."""
    return build_ssl_model(folder, family, **encoder_conf)[0]


def make_ssl_recogniser(folder: Path, family: str = "hubert_base", **encoder_conf: Any):
    """``EarlyExitSpeech2Text`` of a fresh experiment."""
    from espnet_ee.host.inference import EarlyExitSpeech2Text

    model, args = build_ssl_model(folder, family, **encoder_conf)
    text = yaml.safe_dump(vars(args), allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    torch.save(model.state_dict(), folder / "valid.cer_ctc.ave.pth")
    return EarlyExitSpeech2Text.from_exp(folder)


def torchaudio_reference(encoder):
    """Torchaudio's own model with the encoder's weights: its state dictionary loads as it is."""
    from torchaudio.models import wav2vec2_model, wavlm_model

    options = asdict(encoder.sizes)
    del options["normalize_waveform"]
    options["extractor_conv_layer_config"] = list(options["extractor_conv_layer_config"])
    for part in ("projection_dropout", "attention_dropout", "ff_interm_dropout", "dropout"):
        options[f"encoder_{part}"] = 0.1
    options |= {"encoder_layer_drop": 0.5, "aux_num_out": None}
    if encoder.sizes.encoder_num_buckets:
        model = wavlm_model(**options)
    else:
        del options["encoder_num_buckets"], options["encoder_max_distance"]
        model = wav2vec2_model(**options)
    model.load_state_dict(encoder.state_dict())
    return model.eval()


@torch.no_grad()
def randomise_ssl(model: nn.Module) -> None:
    """Draw biases and norms, which initialisation leaves at 0 and 1, and sharpen heads."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 and name.endswith("weight"):
            parameter.uniform_(0.5, 1.5)
        elif parameter.ndim == 1:
            parameter.normal_(0.0, 0.1)
        elif name.startswith(("exit_heads.", "ctc.")):
            parameter.mul_(4.0)
        elif "weight_norm" not in name and "parametrizations" not in name:
            parameter.mul_(1.5)


def make_speech(samples: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """``(B, N)`` waveforms, loud garbage on padding, and ``(B,)`` samples."""
    from model_factory import make_waves

    waves = make_waves(samples, seed)
    speech = torch.full((len(samples), max(samples)), 9.0)
    for row, wave in zip(speech, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    return speech, torch.tensor(samples)
