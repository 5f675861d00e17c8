"""What a model costs, from ESPnet's modules to ``espnet_ee.cost``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch

from espnet_ee.cost import CostModel, LogMelFrontend, UtteranceCost, costliest_score_flops
from espnet_ee.data.audio import parse_rate
from espnet_ee.errors import ConfigError
from espnet_ee.host.compat import DefaultFrontend
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.policies import ExitPolicy, build_policy, policy_names

FEATURES_PER_SEC = 100  # of models that read features: Kaldi's frame shift of 10 ms


def cost_model_of(model: EarlyExitASRModel, rules: Sequence[ExitPolicy]) -> CostModel:
    """Counts GFLOPs of ``model`` when it is scored by the costliest of ``rules``."""
    width = model.encoder.output_size()
    scoring = costliest_score_flops(rule.score_flops(model.vocab_size, width) for rule in rules)
    return CostModel(model.encoder, model.head_flops, scoring, log_mel_of(model.frontend))


def sample_rate_of(args: argparse.Namespace) -> int:
    """In Hz, from ``frontend_conf.fs``, which ESPnet also spells ``16k``."""
    return parse_rate(str((args.frontend_conf or {}).get("fs", 16000)))


def input_rate(model: EarlyExitASRModel, rate: int) -> int:
    """Samples, or feature frames, that a model reads per second of audio at ``rate`` Hz."""
    from_features = model.frontend is None and not model.encoder.reads_samples
    return FEATURES_PER_SEC if from_features else rate


def log_mel_of(frontend: Any) -> LogMelFrontend | None:
    """Sizes of ESPnet's default front-end; None for models that read features.

    Raises:
        ConfigError: Another front-end, whose cost and shortest input are unknown.
    """
    if frontend is None:
        return None
    if not isinstance(frontend, DefaultFrontend) or frontend.stft is None:
        raise ConfigError(
            "the front-end is not ESPnet's log-mel one.",
            got=type(frontend).__name__,
            want="frontend: default (with apply_stft), or input_size for models that read features",
        )
    return LogMelFrontend(frontend.stft.n_fft, frontend.hop_length, frontend.output_size())


@torch.inference_mode()
def reference_cost(
    model: EarlyExitASRModel,
    seconds: float,
    rate: int,
    rules: Sequence[ExitPolicy] | None = None,
) -> UtteranceCost:
    """Cost of an utterance of that length, scored by the costliest policy, of all if not given."""
    if rules is None:
        rules = [build_policy(name) for name in policy_names()]
    counter = cost_model_of(model, rules)
    if model.frontend is None:
        return counter.utterance(round(seconds * input_rate(model, rate)))
    silence = torch.zeros(1, round(seconds * rate), device=next(model.parameters()).device)
    samples = torch.tensor([silence.shape[1]], device=silence.device)
    _, frames = model.speech_features(silence, samples)
    return counter.utterance(int(frames))
