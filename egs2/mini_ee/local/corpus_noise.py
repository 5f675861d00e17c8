"""Noise for the mini corpus: coloured noise, tones and babble, and its level against speech."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Signal = np.ndarray  # (samples,) float64
RATE_HZ = 16000


def coloured(num_samples: int, rng: np.random.Generator) -> Signal:
    """Return slowly swelling noise of power spectrum 1/f^a, a in 0..1.5 (white to below brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    freq_hz = np.maximum(np.fft.rfftfreq(num_samples, 1 / RATE_HZ), 50.0)
    noise = np.fft.irfft(spectrum * freq_hz ** (-rng.uniform(0.0, 1.5) / 2), num_samples)
    time_sec = np.arange(num_samples) / RATE_HZ
    swell = np.sin(2 * np.pi * (rng.uniform(0.2, 2.0) * time_sec + rng.uniform()))
    return noise * (1 + rng.uniform(0.0, 0.6) * swell)


def tones(num_samples: int, rng: np.random.Generator) -> Signal:
    """Return a humming machine with beeps: harmonics of 50..120 Hz, pulsed tones, a little hiss."""
    time_sec = np.arange(num_samples) / RATE_HZ
    hum_hz = rng.uniform(50.0, 120.0)
    noise = 0.05 * rng.standard_normal(num_samples)
    for harmonic in range(1, 9):
        phase = 2 * np.pi * rng.uniform()
        noise += np.sin(2 * np.pi * harmonic * hum_hz * time_sec + phase) / harmonic
    for _ in range(rng.integers(1, 4)):
        pulse = np.sin(2 * np.pi * (rng.uniform(0.5, 4.0) * time_sec + rng.uniform())) > 0
        noise += 0.7 * pulse * np.sin(2 * np.pi * rng.uniform(300.0, 3000.0) * time_sec)
    return noise


def babble(num_samples: int, rng: np.random.Generator, talkers: Sequence[Signal]) -> Signal:
    """Return 4 or more of the ``talkers`` (long signals), each from a random place, summed."""
    count = int(rng.integers(4, len(talkers) + 1))
    noise = np.zeros(num_samples)
    for index in rng.choice(len(talkers), count, replace=False):
        talker = talkers[index]
        start = int(rng.integers(len(talker)))
        noise += np.take(talker, np.arange(start, start + num_samples), mode="wrap")
    return noise


def scaled_to_snr(noise: Signal, speech: Signal, snr_db: float) -> Signal:
    """Return ``noise`` scaled so that speech power over noise power is ``snr_db``."""
    return noise * (rms(speech) / rms(noise) * 10 ** (-snr_db / 20))


def rms(signal: Signal) -> float:
    """Return the root mean square of the whole signal."""
    return float(np.sqrt(np.mean(np.square(signal))))
