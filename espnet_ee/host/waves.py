"""Waveforms that can be recognised, and clear words about those that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from espnet_ee.cost import LogMelFrontend
from espnet_ee.errors import DataError

Wave = np.ndarray | Tensor


def fewest_samples(frontend: LogMelFrontend | None, feature_frames: int) -> int:
    """Of a waveform that gives every stage something to read; the stem wants ``feature_frames``."""
    if frontend is None:
        return feature_frames
    # A centred STFT reflects n_fft / 2 samples at each end and needs more than that many.
    return max(frontend.hop_length * feature_frames, frontend.n_fft // 2 + 1)


def check_wave(wave: Any, what: str, sample_rate: int, min_samples: int) -> None:
    """Refuse a waveform that cannot be recognised.

    Args:
        wave: Wanted: ``(N,)`` floats.
        what: Names it in the message.
        sample_rate: In Hz.
        min_samples: The fewest it may have.

    Raises:
        DataError: It is no float array, empty, too short, not one-dimensional or not finite.
    """
    if not isinstance(wave, (np.ndarray, Tensor)) or not torch.as_tensor(wave).is_floating_point():
        raise DataError(
            f"{what} is not an array of floats.",
            got=str(getattr(wave, "dtype", type(wave).__name__)),
            want="numpy.ndarray or torch.Tensor with samples in -1..1",
            fix="divide 16-bit samples by 32768",
        )
    if wave.ndim != 1:
        raise DataError(
            f"{what} is not one-dimensional.", got=f"shape {tuple(wave.shape)}", want="(N,)"
        )
    if len(wave) < min_samples:
        raise DataError(
            f"{what} is too short.",
            got=f"{1000 * len(wave) / sample_rate:.0f} ms",
            want=f"at least {1000 * min_samples / sample_rate:.0f} ms",
        )
    bad = (~torch.isfinite(torch.as_tensor(wave))).nonzero()
    if len(bad):
        raise DataError(
            f"{what} has samples that are NaN or infinite.",
            got=f"{len(bad)} of them from {int(bad[0]) / sample_rate:.2f} s on",
            fix="repair the file",
        )


def listed_waves(waves: Wave | Sequence[Wave]) -> list[Any]:
    """One waveform or several as several."""
    single = isinstance(waves, (np.ndarray, Tensor)) and waves.ndim < 2
    return [waves] if single else list(waves)
