"""The model that is timed, with random weights, and the policy that dictates its exits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from espnet_ee.cost import CostModel
from espnet_ee.host.compat import CTC, StockConformerEncoder
from espnet_ee.host.conformer import EarlyExitConformerEncoder
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.nn.packed import pack_for_inference
from espnet_ee.policies import Evidence
from espnet_ee.policies.certainty import Entropy

FRAMES_PER_SEC = 100  # features, 10 ms hop


@dataclass(frozen=True)
class ModelSize:
    """The encoder of ESPnet's LibriSpeech Conformer recipes at 12 blocks, exits every second."""

    num_blocks: int = 12
    output_size: int = 256
    linear_units: int = 2048
    attention_heads: int = 4
    cnn_module_kernel: int = 31
    mel_bins: int = 80
    vocab_size: int = 500
    exit_layers: tuple[int, ...] = (2, 4, 6, 8, 10, 12)

    def encoder_conf(self, num_blocks: int) -> dict[str, Any]:
        """ESPnet's ``encoder_conf`` at a depth, without the stem."""
        return {
            "num_blocks": num_blocks,
            "output_size": self.output_size,
            "linear_units": self.linear_units,
            "attention_heads": self.attention_heads,
            "cnn_module_kernel": self.cnn_module_kernel,
            "macaron_style": True,
            "rel_pos_type": "latest",
            "pos_enc_layer_type": "rel_pos",
            "selfattention_layer_type": "rel_selfattn",
            "activation_type": "swish",
            "use_cnn_module": True,
        }


def espnet_encoder(size: ModelSize, num_blocks: int) -> torch.nn.Module:
    """ESPnet's own encoder with its defaults, for inference."""
    conf = size.encoder_conf(num_blocks)
    encoder: torch.nn.Module = StockConformerEncoder(size.mel_bins, input_layer="conv2d", **conf)
    return encoder.eval()


def our_encoder(size: ModelSize, twin: torch.nn.Module, num_blocks: int) -> torch.nn.Module:
    """Ours with the weights of ESPnet's ``twin``, one exit at the end, for inference."""
    conf = size.encoder_conf(num_blocks)
    encoder = EarlyExitConformerEncoder(size.mel_bins, input_layer="conv2d", **conf)
    encoder.load_state_dict(twin.state_dict())
    encoder.eval()
    return encoder


def early_exit_model(size: ModelSize, stem: str) -> EarlyExitASRModel:
    """The whole model without a front-end, packed as ``EarlyExitSpeech2Text`` does."""
    model = training_model(size, stem, {})
    model.eval()
    pack_for_inference(model)
    return model


def training_model(size: ModelSize, stem: str, model_conf: dict[str, Any]) -> EarlyExitASRModel:
    """The whole model without a front-end, with random weights; ``model_conf`` as in a YAML."""
    tokens = ["<blank>", *(f"t{n}" for n in range(size.vocab_size - 2)), "<sos/eos>"]
    conf = size.encoder_conf(size.num_blocks)
    encoder = EarlyExitConformerEncoder(
        size.mel_bins, input_layer=stem, exit_layers=size.exit_layers, **conf
    )
    return EarlyExitASRModel(
        vocab_size=size.vocab_size,
        token_list=tokens,
        frontend=None,
        specaug=None,
        normalize=None,
        preencoder=None,
        encoder=encoder,
        postencoder=None,
        decoder=None,
        ctc=CTC(size.vocab_size, size.output_size),
        joint_network=None,
        report_cer=False,
        report_wer=False,
        **model_conf,
    )


def cost_model(model: EarlyExitASRModel, vocab_size: int) -> CostModel:
    """FLOPs from the features on: stem, blocks, heads and entropy."""
    scoring = Entropy.score_flops_per_posterior * vocab_size
    return CostModel(model.encoder, model.head_flops, scoring, frontend=None)


def random_features(lengths: Sequence[int], mel_bins: int, seed: int) -> tuple[Tensor, Tensor]:
    """A padded batch ``(B, T, F)`` of noise and its ``(B,)`` frames."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(len(lengths), max(lengths), mel_bins, generator=generator)
    for row, frames in zip(features, lengths, strict=True):
        row[frames:] = 0.0
    return features, torch.tensor(lengths)


@dataclass(frozen=True)
class DictatedExits(Entropy):
    """Scores entropy as users do, then stops each utterance where it is told to.

    Use with threshold ``inf``, which no entropy reaches.

    Attributes:
        exits: Exit index of each utterance, in the order of decoding.
    """

    exits: tuple[int, ...]

    name = "dictated"

    def score(self, now: Evidence, history: Sequence[Evidence]) -> Tensor:
        """``(B,)``: entropy's score, ``inf`` where the utterance has to stop."""
        entropy = super().score(now, history)
        wanted = torch.tensor(self.exits)[now.utterances]
        return entropy.masked_fill(wanted <= now.exit_index, torch.inf)
