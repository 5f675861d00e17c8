"""How long a recogniser takes to each exit, here and now."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import numpy as np

from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.waves import Wave
from espnet_ee.latency import LatencyProfile, fit, setting_of
from espnet_ee.limits import Limits
from espnet_ee.scoring import FloatArray

LENGTHS_SEC = (1.0, 2.0, 4.0, 8.0, 16.0, 24.0)
LONGER = 0.013  # from one repeat to the next: speech seldom has the same number of frames twice
SCORED_BY = "entropy"


def measure_latency(
    asr: EarlyExitSpeech2Text, lengths_sec: Sequence[float] = LENGTHS_SEC, repeats: int = 5
) -> LatencyProfile:
    """Time calls with one utterance that stop at each exit, from the waveform to the result.

    Every exit on the way runs its head and scores entropy, as policies that read posteriors do.

    Args:
        asr: On the machine, with the threads and the device that deadlines will be held on.
        lengths_sec: Of noise; beyond the longest is extrapolated.
        repeats: Of each length and exit, each a little longer than the one before.
    """
    lengths = [sec * (1.0 + LONGER * again) for again in range(repeats + 1) for sec in lengths_sec]
    audio_sec, times = time_exits(asr, noise(lengths, asr.sample_rate))
    warm = len(lengths_sec)  # the first of each warms up
    coefficients, margin = fit(audio_sec[warm:].tolist(), times[warm:])
    return LatencyProfile(
        setting=setting_of(asr.loaded.sha256, asr.device),
        date=datetime.now().astimezone().isoformat(timespec="seconds"),
        layers=asr.exit_layers,
        coefficients=tuple(tuple(row) for row in coefficients.tolist()),
        lengths_sec=tuple(lengths_sec),
        margin=margin,
    )


def noise(lengths_sec: Iterable[float], rate: int) -> Iterator[Wave]:
    """A waveform of noise for each length."""
    rng = np.random.default_rng(0)
    for sec in lengths_sec:
        yield rng.normal(0.0, 0.1, round(sec * rate)).astype(np.float32)


def about(seconds: float, count: int) -> list[float]:
    """So many lengths around ``seconds``, none as long as the one before."""
    return [seconds * (1.0 + LONGER * (place % 5 - 2)) for place in range(count)]


def time_exits(asr: EarlyExitSpeech2Text, waves: Iterable[Wave]) -> tuple[FloatArray, FloatArray]:
    """``(U,)`` seconds of audio, and ``(U, E)`` seconds of calls that stop at each exit."""
    audio_sec, times = [], []
    for wave in waves:
        audio_sec.append(len(wave) / asr.sample_rate)
        times.append([_call_sec(asr, wave, layer) for layer in asr.exit_layers])
    return np.array(audio_sec), np.array(times)


def _call_sec(asr: EarlyExitSpeech2Text, wave: Wave, layer: int) -> float:
    """Seconds of a call that is scored at every exit and stops at ``layer``."""
    start = time.perf_counter()
    asr(wave, SCORED_BY, math.inf, limits=Limits(max_layer=layer))
    return time.perf_counter() - start
