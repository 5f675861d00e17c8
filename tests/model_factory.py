"""Tiny early-exit models with random weights, built by ESPnet's own parser and ``build_model``.

Weights, biases and running statistics are all drawn at random and the heads are sharp: nothing
is hidden by a bias of zero, and texts and scores differ between utterances, exits and seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from espnet_ee.clusters import CLUSTERS_NAME, Clusters
from espnet_ee.lexical import LEXICAL_NAME, Lexical
from espnet_ee.policies import Resources, build_policy

TOKENS = ("<blank>", "<unk>", "<space>", *"ABCDEFGHIJ", "<sos/eos>")
SAMPLE_RATE = 16000
HOP = 160
N_MELS = 40

# Short words: of what a random model writes some are known, most are not.
LEXICAL = Lexical.of_texts([f"{one} {one}{two}" for one in "ABCDEFGHIJ" for two in "ABCDE"])

STACK: dict[str, Any] = {
    "output_size": 16,
    "attention_heads": 2,
    "linear_units": 24,
    "num_blocks": 6,
    "input_layer": "dwconv8",
    "exit_layers": [2, 4, 6],
}
ENCODER: dict[str, Any] = {**STACK, "cnn_module_kernel": 7, "rel_pos_type": "latest"}
BACKBONES: dict[str, dict[str, Any]] = {
    "ee_conformer": ENCODER,
    "ee_transformer": STACK,
    "ee_e_branchformer": {
        **STACK,
        "rel_pos_type": "latest",
        "cgmlp_linear_units": 24,
        "cgmlp_conv_kernel": 7,
        "use_ffn": True,
        "macaron_ffn": True,
    },
}

ABSOLUTE = {"pos_enc_layer_type": "abs_pos", "selfattention_layer_type": "selfattn"}


# Every kind of head, small, as ``model_conf``.
HEAD_CONFS: dict[str, dict[str, Any]] = {
    "linear": {},
    "shared": {"exit_heads": "shared"},
    "linear_norm": {"exit_head": "linear_norm"},
    "attention": {
        "exit_head": "attention",
        "exit_head_conf": {"units": 12, "heads": 2, "linear_units": 20},
    },
    "bilstm": {"exit_head": "bilstm", "exit_head_conf": {"units": 10}},
}
# The other backbones and options of the walk, each with another head than linear.
VARIANTS: dict[str, dict[str, Any]] = {
    f"{encoder}-{head}": {"encoder": encoder, "model_conf": conf}
    for encoder in BACKBONES
    for head, conf in HEAD_CONFS.items()
    if (encoder, head) != ("ee_conformer", "linear")
}
# Its first seed has no utterance that is surest at the middle exit, which some laws want to see.
VARIANTS["ee_transformer-bilstm"]["seed"] = 1
# Blocks above the first exit change little and one head reads them all: some texts stay the same.
VARIANTS |= {
    "calm": {"encoder": "ee_transformer", "model_conf": {"exit_heads": "shared"}, "calm": 0.1}
}
VARIANTS |= {"half_rate": {"encoder_conf": {"half_rate_layers": [2, 6]}}}


def make_settings(
    encoder_conf: dict[str, Any] | None = None,
    model_conf: dict[str, Any] | None = None,
    encoder: str = "ee_conformer",
    **changes,
) -> dict[str, Any]:
    """The YAML of a training run; ``encoder_conf`` and ``model_conf`` add to the tiny ones."""
    return {
        "token_list": list(TOKENS),
        "token_type": "char",
        "bpemodel": None,
        "frontend": "default",
        "frontend_conf": {"fs": SAMPLE_RATE, "hop_length": HOP, "n_mels": N_MELS},
        "normalize": "utterance_mvn",
        "normalize_conf": {},
        "encoder": encoder,
        "encoder_conf": {**BACKBONES.get(encoder, STACK), **(encoder_conf or {})},
        "decoder": None,
        "model": "ee_ctc_att",
        "model_conf": {"ctc_weight": 1.0, **(model_conf or {})},
        **changes,
    }


def make_args(folder: Path, settings: dict[str, Any]) -> argparse.Namespace:
    """Parse ``settings`` as training does, defaults of ESPnet's options included."""
    from espnet_ee.host.task import EarlyExitASRTask

    config = folder / "train.yaml"
    config.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    # A parser of its own: ESPnet's keep what --config said as defaults for the next call.
    parser = EarlyExitASRTask.get_parser()
    return parser.parse_args(["--config", str(config), "--output_dir", str(folder)])


def make_model(folder: Path, seed: int = 0, calm: float = 1.0, **changes):
    """A model in evaluation mode; ``changes`` are those of ``make_settings``.

    ``calm`` scales what the blocks above the first exit add.
    """
    from espnet_ee.host.task import EarlyExitASRTask

    torch.manual_seed(seed)
    model = EarlyExitASRTask.build_model(make_args(folder, make_settings(**changes)))
    randomise(model)
    calm_down(model, calm)
    return model.eval()


def make_experiment(folder: Path, seed: int = 0, calm: float = 1.0, **changes) -> Path:
    """An experiment folder as training leaves it: ``config.yaml`` and a checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    model = make_model(folder, seed, calm, **changes)
    args = make_args(folder, make_settings(**changes))
    text = yaml.safe_dump(vars(args), allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    torch.save(model.state_dict(), folder / "valid.cer_ctc.ave.pth")
    LEXICAL.save(folder / LEXICAL_NAME)
    encoder = model.encoder
    clusters = random_clusters(encoder.exit_layers, encoder.output_size())
    clusters.save(folder / CLUSTERS_NAME)
    return folder


def random_clusters(exit_layers: tuple[int, ...], width: int, count: int = 5) -> Clusters:
    """Guesses at clusters that were never fitted."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(len(exit_layers), count, width)).astype(np.float32)
    return Clusters(exit_layers, weights, rng.normal(size=weights.shape[:2]).astype(np.float32))


def make_policy(name: str, exit_layers: tuple[int, ...] = (2, 4, 6), width: int = 16):
    """A policy that knows what ``make_experiment`` leaves beside such a model."""
    spell = {place: " " if token == "<space>" else token for place, token in enumerate(TOKENS)}
    clusters = random_clusters(exit_layers, width)
    resources = Resources(lambda tokens: "".join(map(spell.get, tokens)), LEXICAL, clusters)
    return build_policy(name).bind(resources)


def make_recogniser(folder: Path, seed: int = 0, **changes):
    """``EarlyExitSpeech2Text`` of a fresh experiment."""
    from espnet_ee.host.inference import EarlyExitSpeech2Text

    return EarlyExitSpeech2Text.from_exp(make_experiment(folder, seed, **changes))


@torch.no_grad()
def randomise(model: nn.Module) -> None:
    """Draw what initialisation leaves at 0 or 1, with signals above biases and sharp heads."""
    for module in model.modules():
        if isinstance(module, (nn.LayerNorm, nn.BatchNorm1d)):
            module.weight.uniform_(0.5, 1.5)
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(0.0, 0.3)
            module.running_var.uniform_(0.5, 2.0)
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            bias.normal_(0.0, 0.1)
    for name, parameter in model.named_parameters():
        speaks = (
            name.startswith("ctc.") or name.endswith(".linear.weight") and "exit_heads." in name
        )
        if parameter.ndim > 1 and speaks:
            parameter.mul_(4.0)
        elif parameter.ndim > 1 and ".embed." in f".{name}":
            parameter.mul_(3.0)


@torch.no_grad()
def calm_down(model: nn.Module, factor: float) -> None:
    """Scale the residuals of the blocks above the first exit."""
    if factor == 1.0:
        return
    for block in model.encoder.encoders[model.encoder.exit_layers[0] :]:
        for layer in (block.self_attn.linear_out, block.feed_forward.w_2):
            layer.weight.mul_(factor)
            layer.bias.mul_(factor)


def make_waves(samples: list[int], seed: int = 0) -> list[np.ndarray]:
    """Waveforms of tones that change every 50 ms, in noise."""
    rng = np.random.default_rng(seed)
    return [_wave(count, rng) for count in samples]


def _wave(count: int, rng: np.random.Generator) -> np.ndarray:
    segments = count // 800 + 1
    hertz = np.repeat(rng.uniform(100.0, 6000.0, segments), 800)[:count]
    loudness = np.repeat(rng.lognormal(-2.0, 1.0, segments), 800)[:count]
    tone = np.sin(2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE)
    return (loudness * tone + 0.01 * rng.normal(size=count)).astype(np.float32)


def make_features(lengths: list[int], bins: int = N_MELS, seed: int = 0) -> tuple[Tensor, Tensor]:
    """``(B, T, F)`` random features, zero on padding as ESPnet pads, and ``(B,)`` lengths."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randn(length, bins, generator=generator) for length in lengths]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor(lengths)
