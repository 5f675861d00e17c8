"""Made error counts whose true rates are known: speakers differ, and systems differ on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UTTERANCES = 10  # of each speaker
RATES = (0.10, 0.12)
LARGEST_RATE = 0.9


@dataclass(frozen=True)
class Simulation:
    """How speakers and systems are drawn.

    Attributes:
        rates: Of both systems for the average speaker.
        taste: Relative spread of how much better one system suits a speaker than the other.
    """

    rates: tuple[float, float] = RATES
    taste: float = 0.3

    def speaker_rates(self, speakers: int, rng: np.random.Generator) -> np.ndarray:
        """Error rates of each system for each speaker, ``(2, speakers)``."""
        difficulty = rng.gamma(3.0, 1 / 3.0, speakers)
        shape = 1 / max(self.taste, 1e-3) ** 2
        own = rng.gamma(shape, 1 / shape, (2, speakers))
        return np.minimum(LARGEST_RATE, np.array(self.rates)[:, None] * difficulty * own)

    def draw(self, speakers: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Errors of both systems ``(2, U)``, reference words ``(U,)`` and speakers of one set."""
        rng = np.random.default_rng(seed)
        lengths = rng.integers(3, 15, speakers * UTTERANCES)
        rates = self.speaker_rates(speakers, rng).repeat(UTTERANCES, axis=1)
        names = [f"s{speaker:03d}" for speaker in range(speakers) for _ in range(UTTERANCES)]
        return rng.binomial(lengths, rates), lengths, names

    def truth(self) -> tuple[float, float]:
        """The rates over all speakers that there may be."""
        rates = self.speaker_rates(1_000_000, np.random.default_rng(12345)).mean(axis=1)
        return float(rates[0]), float(rates[1])
