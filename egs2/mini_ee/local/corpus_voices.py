"""Voices of the mini corpus: an espeak-ng accent and variant at one speed and pitch.

No variant speaks in more than one of train, dev and test, so the voices of the tests are unseen.
Left out are variants that are hard to understand (whispers, robots, echoes) and those that sound
exactly like another (klatt6, caleb, fast).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

SPEED_WPM = (135, 170)
PITCH = (35, 65)  # espeak-ng's scale 0..99
_ACCENTS = "en-us en-gb en-gb-x-rp en-us-nyc en-us en-gb-scotland en-gb en-gb-x-gbclan"
_VARIANTS = {
    "train F": "f3 f5 aunty Andrea Alicia anika steph steph3 grandma shelby",
    "train M": (
        "m1 m4 m7 m8 croak Mike Mario Denis Diogo michel Henrique victor Gene Gene2 Jacky Nguyen "
        "antonio gustave marcelo boris david edward klatt klatt3 klatt5 adam max norbert pablo "
        "paul pedro robert iven2 iven4 ed sandro travis Andy Lee benjamin"
    ),
    "dev F": "f1 belinda",
    "dev M": "m2 m5 Alex Hugo edward2 quincy",
    "test F": "f2 f4 linda Annie",
    "test M": "m3 m6 Michael miguel rob grandpa klatt2 john",
    "babble F": "steph2 zac",
    "babble M": "Marco AnxiousAndy Tweaky iven3",
}
# (first speaker number, rounds of female variants): espeak-ng has few female variants, so those of
# train speak with two accents each.
_SPLITS = {"train": (101, 2), "dev": (201, 1), "test": (301, 1), "babble": (401, 1)}


@dataclass(frozen=True)
class Voice:
    """One speaker.

    Args:
        speaker: LibriSpeech-like number, unique in the corpus.
        sex: ``F`` or ``M``.
        name: espeak-ng voice, e.g. ``en-us+m3``.
        speed_wpm: Words per minute.
        pitch: 0..99, 50 is the variant's own.
    """

    speaker: int
    sex: str
    name: str
    speed_wpm: int
    pitch: int

    def describe(self) -> str:
        """Return the voice in words, e.g. ``en-us+m3, 150 words per minute, pitch 50``."""
        return f"{self.name}, {self.speed_wpm} words per minute, pitch {self.pitch}"


def voices(split: str, seed: int) -> list[Voice]:
    """Return the voices of ``train`` (60), ``dev`` (8), ``test`` (12) or ``babble`` (6)."""
    first, female_rounds = _SPLITS[split]
    females = _VARIANTS[f"{split} F"].split() * female_rounds
    males = _VARIANTS[f"{split} M"].split()
    accents = _ACCENTS.split()
    rng = random.Random(f"{seed}/voices/{split}")
    return [
        Voice(
            speaker=first + i,
            sex="F" if i < len(females) else "M",
            name=f"{accents[i % len(accents)]}+{variant}",
            speed_wpm=rng.randint(*SPEED_WPM),
            pitch=rng.randint(*PITCH),
        )
        for i, variant in enumerate([*females, *males])
    ]
