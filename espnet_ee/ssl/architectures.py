"""Sizes of wav2vec 2.0, HuBERT and WavLM, and what they cost.

wav2vec 2.0 (arXiv:2006.11477), XLS-R (arXiv:2111.09296) and HuBERT (arXiv:2106.07447) are one
network: a CNN on the waveform, a positional convolution and a Transformer. WavLM
(arXiv:2110.13900) adds a gated bias by relative position. Fields are named as the arguments of
``torchaudio.models.wav2vec2_model`` and ``wavlm_model``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from espnet_ee.errors import ConfigError
from espnet_ee.spelling import nearest

# (channels, kernel, stride) of every published model: 320 samples, 20 ms, per frame.
CONVOLUTIONS = ((512, 10, 5), *((512, 3, 2),) * 4, *((512, 2, 2),) * 2)
EXTRACTOR_MODES = ("group_norm", "layer_norm")
GATE_OUTPUTS = 8  # of WavLM's gate, per head (arXiv:2110.13900, formula 6)
CUSTOM = "custom"


@dataclass(frozen=True)
class Architecture:
    """Sizes of one network.

    Attributes:
        encoder_embed_dim: ``D``.
        encoder_num_layers: Depth.
        encoder_num_heads: Divides ``D``.
        encoder_ff_interm_features: Units of the feed-forward layers.
        encoder_layer_norm_first: Pre-norm; else post-norm.
        extractor_mode: ``group_norm`` behind the first convolution, or ``layer_norm`` behind each.
        extractor_conv_bias: Whether convolutions have a bias.
        extractor_conv_layer_config: ``(channels, kernel, stride)`` each.
        encoder_pos_conv_kernel: Frames that the positional convolution sees.
        encoder_pos_conv_groups: Its groups; divides ``D``.
        encoder_num_buckets: Of WavLM's relative positions; 0: the network has none.
        encoder_max_distance: Frames beyond which WavLM's distances share a bucket.
        normalize_waveform: Whether it wants mean 0 and variance 1 over each utterance.
    """

    encoder_embed_dim: int
    encoder_num_layers: int
    encoder_num_heads: int
    encoder_ff_interm_features: int
    encoder_layer_norm_first: bool = False
    extractor_mode: str = "group_norm"
    extractor_conv_bias: bool = False
    extractor_conv_layer_config: tuple[tuple[int, int, int], ...] = CONVOLUTIONS
    encoder_pos_conv_kernel: int = 128
    encoder_pos_conv_groups: int = 16
    encoder_num_buckets: int = 0
    encoder_max_distance: int = 800
    normalize_waveform: bool = False

    def frames_of(self, samples: int) -> int:
        """Frames behind the CNN, exact; 0 where too short."""
        return self._frames_per_layer(samples)[-1]

    @property
    def frame_shift(self) -> int:
        """Samples from one frame to the next."""
        return math.prod(stride for _, _, stride in self.extractor_conv_layer_config)

    @property
    def min_samples(self) -> int:
        """The fewest samples that give one frame, and group normalisation two values."""
        needed = 1
        for index, (_, kernel, stride) in reversed(
            [*enumerate(self.extractor_conv_layer_config)],
        ):
            if index == 0 and self.extractor_mode == "group_norm":
                needed = max(needed, 2)
            needed = (needed - 1) * stride + kernel
        return needed

    def stem_flops(self, samples: int) -> int:
        """FLOPs before block 1 for one utterance (1 MAC = 2 FLOPs)."""
        macs, channels_in = 0, 1
        counts = self._frames_per_layer(samples)
        for count, (channels, kernel, _) in zip(
            counts, self.extractor_conv_layer_config, strict=True
        ):
            macs += count * channels_in * channels * kernel
            channels_in = channels
        width, kernel, frames = self.encoder_embed_dim, self.encoder_pos_conv_kernel, counts[-1]
        macs += frames * channels_in * width
        # An even kernel is padded on both sides alike; torchaudio drops the frame too many.
        positional = frames + (1 if kernel % 2 == 0 else 0)
        return 2 * (macs + positional * width * (width // self.encoder_pos_conv_groups) * kernel)

    def block_flops(self, frames: int) -> int:
        """FLOPs of one block for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        width = self.encoder_embed_dim
        macs = frames * width * (4 * width + 2 * self.encoder_ff_interm_features)
        macs += 2 * frames * frames * width
        if self.encoder_num_buckets:
            macs += frames * width * GATE_OUTPUTS
        return 2 * macs

    def _frames_per_layer(self, samples: int) -> list[int]:
        counts = []
        for _, kernel, stride in self.extractor_conv_layer_config:
            samples = max(0, (samples - kernel) // stride + 1)
            counts.append(samples)
        return counts


_BASE = Architecture(768, 12, 12, 3072)
_WAVLM_BASE = replace(_BASE, encoder_num_buckets=320)
_HUBERT_LARGE = Architecture(
    1024, 24, 16, 4096, True, extractor_mode="layer_norm", normalize_waveform=True
)
_LV60K = replace(_HUBERT_LARGE, extractor_conv_bias=True)
_1280 = {"encoder_embed_dim": 1280, "encoder_num_layers": 48, "encoder_ff_interm_features": 5120}
_1920 = {"encoder_embed_dim": 1920, "encoder_num_layers": 48, "encoder_ff_interm_features": 7680}

ARCHITECTURES: dict[str, Architecture] = {
    "hubert_base": _BASE,
    "hubert_large": _HUBERT_LARGE,
    "hubert_xlarge": replace(_HUBERT_LARGE, **_1280),  # type: ignore[arg-type]
    "wav2vec2_base": _BASE,
    "wav2vec2_large": Architecture(1024, 24, 16, 4096),
    "wav2vec2_large_lv60k": _LV60K,
    "wav2vec2_xlsr_300m": _LV60K,
    "wav2vec2_xlsr_1b": replace(_LV60K, **_1280),  # type: ignore[arg-type]
    "wav2vec2_xlsr_2b": replace(_LV60K, **_1920),  # type: ignore[arg-type]
    "wavlm_base": _WAVLM_BASE,
    "wavlm_base_plus": _WAVLM_BASE,
    "wavlm_large": replace(_HUBERT_LARGE, encoder_num_buckets=320),
}

# Bundles of torchaudio.pipelines to our names of their architectures; ASR ones bring a CTC head,
# which is left out.
BUNDLES: dict[str, str] = {
    "HUBERT_BASE": "hubert_base",
    "HUBERT_LARGE": "hubert_large",
    "HUBERT_XLARGE": "hubert_xlarge",
    "HUBERT_ASR_LARGE": "hubert_large",
    "HUBERT_ASR_XLARGE": "hubert_xlarge",
    "WAV2VEC2_BASE": "wav2vec2_base",
    "WAV2VEC2_LARGE": "wav2vec2_large",
    "WAV2VEC2_LARGE_LV60K": "wav2vec2_large_lv60k",
    "WAV2VEC2_XLSR53": "wav2vec2_large_lv60k",
    "WAV2VEC2_XLSR_300M": "wav2vec2_xlsr_300m",
    "WAV2VEC2_XLSR_1B": "wav2vec2_xlsr_1b",
    "WAV2VEC2_XLSR_2B": "wav2vec2_xlsr_2b",
    "WAV2VEC2_ASR_BASE_10M": "wav2vec2_base",
    "WAV2VEC2_ASR_BASE_100H": "wav2vec2_base",
    "WAV2VEC2_ASR_BASE_960H": "wav2vec2_base",
    "WAV2VEC2_ASR_LARGE_10M": "wav2vec2_large",
    "WAV2VEC2_ASR_LARGE_100H": "wav2vec2_large",
    "WAV2VEC2_ASR_LARGE_960H": "wav2vec2_large",
    "WAV2VEC2_ASR_LARGE_LV60K_10M": "wav2vec2_large_lv60k",
    "WAV2VEC2_ASR_LARGE_LV60K_100H": "wav2vec2_large_lv60k",
    "WAV2VEC2_ASR_LARGE_LV60K_960H": "wav2vec2_large_lv60k",
    "WAVLM_BASE": "wavlm_base",
    "WAVLM_BASE_PLUS": "wavlm_base_plus",
    "WAVLM_LARGE": "wavlm_large",
}


def find_architecture(name: str, changes: Mapping[str, Any], checkpoint: str) -> Architecture:
    """The network called ``name``, with ``changes`` to its sizes.

    Args:
        name: One of ``ARCHITECTURES``, or ``custom``, of which ``changes`` tell everything. Empty:
            that of the bundle which ``checkpoint`` names.
        changes: Fields of ``Architecture``.
        checkpoint: As the user gave it, or empty.

    Raises:
        ConfigError: Unknown name or field, missing or impossible sizes.
    """
    name = name or BUNDLES.get(checkpoint, "")
    if name != CUSTOM and name not in ARCHITECTURES:
        raise ConfigError(
            "encoder_conf.architecture is not one that this encoder offers.",
            got=repr(name) + nearest(name, ARCHITECTURES),
            want=", ".join([*ARCHITECTURES, CUSTOM]) + "; or checkpoint: a bundle of torchaudio",
        )
    expected = ARCHITECTURES.get(BUNDLES.get(checkpoint, ""))
    if name != CUSTOM and expected not in (None, ARCHITECTURES[name]):
        raise ConfigError(
            "encoder_conf.architecture is not that of the checkpoint.",
            got=f"architecture={name}, checkpoint={checkpoint}",
            want=f"architecture={BUNDLES[checkpoint]}",
        )
    _check_names(changes, complete=name == CUSTOM)
    sizes = {key: _as_tuples(value) for key, value in changes.items()}
    chosen = Architecture(**sizes) if name == CUSTOM else replace(ARCHITECTURES[name], **sizes)
    _check(chosen)
    return chosen


def _check_names(changes: Mapping[str, Any], complete: bool) -> None:
    """Whether ``changes`` are fields, and all those without a default if ``complete``."""
    known = {field.name: field for field in fields(Architecture)}
    unknown = [f"{key}{nearest(key, known)}" for key in changes if key not in known]
    needed = [key for key, field in known.items() if complete and field.default is MISSING]
    missing = [key for key in needed if key not in changes]
    if unknown or missing:
        raise ConfigError(
            "encoder_conf.architecture_conf does not describe a network.",
            got="; ".join(
                f"{title}: {', '.join(keys)}"
                for title, keys in (("unknown", unknown), ("missing", missing))
                if keys
            ),
            want=", ".join(known),
        )


def _as_tuples(value: Any) -> Any:
    """YAML's lists of convolutions as tuples; anything else as it is."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(tuple(row) for row in value)
    return value


def _check(sizes: Architecture) -> None:
    problems = []
    for part in ("encoder_num_heads", "encoder_pos_conv_groups"):
        if sizes.encoder_embed_dim % getattr(sizes, part):
            problems.append(f"{part}={getattr(sizes, part)} does not divide the width")
    if sizes.extractor_mode not in EXTRACTOR_MODES:
        problems.append(f"extractor_mode={sizes.extractor_mode!r}")
    if any(len(row) != 3 for row in sizes.extractor_conv_layer_config):
        problems.append("extractor_conv_layer_config is not a list of [channels, kernel, stride]")
    if problems:
        raise ConfigError(
            "encoder_conf.architecture_conf describes an impossible network.",
            got="; ".join(problems),
            want="heads and groups that divide encoder_embed_dim, extractor_mode "
            + " or ".join(EXTRACTOR_MODES),
        )
