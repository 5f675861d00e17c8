"""What the mini corpus holds: the voice, text, noise and level of each utterance."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from corpus_grammar import Sentences
from corpus_voices import Voice, voices

SEED = 2
TRAIN_NOISE_SHARE = 0.4
TRAIN_SNR_DB = (5, 20)
TEST_SNR_DB = (0, 10)
ROOM_SNR_DB = 40  # a faint hiss in clean utterances: no digital silence, whose log is extreme
LEVEL_DBFS = (-32, -22)
NOISES = ("coloured", "tones", "babble")


@dataclass(frozen=True)
class Utterance:
    """One sentence to synthesise.

    Args:
        part: train, dev, test_clean or test_noisy.
        utt_id: ``speaker-chapter-number``.
        noise: One of NOISES, or ``room`` for a clean utterance.
        snr_db: Speech over noise, in dB.
        level_dbfs: Root mean square of the mixture, in dB under full scale.
    """

    part: str
    utt_id: str
    voice: Voice
    text: str
    noise: str
    snr_db: float
    level_dbfs: float

    @property
    def directory(self) -> str:
        """``part/speaker/chapter`` under the corpus."""
        speaker, chapter, _ = self.utt_id.split("-")
        return f"{self.part}/{speaker}/{chapter}"


def plan() -> list[Utterance]:
    """Return all utterances; no sentence occurs in two of train, dev and test."""
    used: set[str] = set()
    clean = list(_part("test_clean", "test", 10, 0.0, used))
    noisy = [_made_noisy(utterance) for utterance in clean]
    dev = _part("dev", "dev", 10, TRAIN_NOISE_SHARE, used)
    train = _part("train", "train", 18, TRAIN_NOISE_SHARE, used)
    return [*train, *dev, *clean, *noisy]


def _part(
    part: str, split: str, per_voice: int, noise_share: float, used: set[str]
) -> Iterator[Utterance]:
    rng = random.Random(f"{SEED}/{part}")
    sentences = Sentences(rng)
    for voice in voices(split, SEED):
        for number in range(per_voice):
            noisy = rng.random() < noise_share
            yield Utterance(
                part=part,
                utt_id=f"{voice.speaker}-1-{number:04d}",
                voice=voice,
                text=_new_sentence(sentences, used),
                noise=rng.choice(NOISES) if noisy else "room",
                snr_db=_one_decimal(rng, TRAIN_SNR_DB) if noisy else ROOM_SNR_DB,
                level_dbfs=_one_decimal(rng, LEVEL_DBFS),
            )


def _made_noisy(clean: Utterance) -> Utterance:
    """Return the same sentence by the same voice in noise, as chapter 2: only the noise differs."""
    rng = random.Random(f"{SEED}/test_noisy/{clean.utt_id}")
    return replace(
        clean,
        part="test_noisy",
        utt_id=clean.utt_id.replace("-1-", "-2-"),
        noise=rng.choice(NOISES),
        snr_db=_one_decimal(rng, TEST_SNR_DB),
    )


def _new_sentence(sentences: Sentences, used: set[str]) -> str:
    while (text := sentences.draw()) in used:
        pass
    used.add(text)
    return text


def _one_decimal(rng: random.Random, bounds: tuple[int, int]) -> float:
    return round(rng.uniform(*bounds), 1)
