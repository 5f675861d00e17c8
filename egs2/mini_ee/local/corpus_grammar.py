"""Command-and-number sentences of the mini corpus, upper-case, with confusable words.

Confusable on purpose: FIFTEEN/FIFTY and the like, the letters B D E G P T and M N,
LIGHT/LIGHTS/RIGHT/WHITE, LEFT/LIFT, LAMP/CLAMP, GRAY/GREEN, BOX/BLOCK/BLACK/BACK, LOCK/CLOCK,
OPEN/OVEN, DOOR/DOORS/FLOOR/FOUR. Words that sound like another (FOR, TO, READ, ...) are left out,
so that the spelling follows from the sound.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_CLASSES = {
    "digit": "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE",
    "unit": "ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE",
    "teen": ("TEN ELEVEN TWELVE THIRTEEN FOURTEEN FIFTEEN SIXTEEN SEVENTEEN EIGHTEEN NINETEEN"),
    "ten": "TWENTY THIRTY FORTY FIFTY SIXTY SEVENTY EIGHTY NINETY",
    "letter": "B D E G M N P T",
    "switch": "TURN SWITCH",
    "state": "ON OFF",
    "room": "KITCHEN BEDROOM BATHROOM HALL GARAGE OFFICE CELLAR GARDEN ATTIC",
    "device": "LIGHT LIGHTS LAMP FAN OVEN RADIO ALARM CLOCK",
    "dial": "FAN HEATER OVEN RADIO VOLUME",
    "opening": "DOOR DOORS WINDOW GATE",
    "operate": "OPEN CLOSE LOCK",
    "machine": "ROBOT CAMERA CLAMP",
    "direction": "LEFT RIGHT UP DOWN FORWARD BACK",
    "distance": "METERS STEPS INCHES",
    "handle": "PUT TAKE LIFT MOVE",
    "colour": "RED GREEN GRAY BLUE WHITE BLACK YELLOW BROWN GOLD",
    "object": "BOX BLOCK BALL BOOK BAG CUP CARD",
    "place": "ROW FLOOR ROOM",
    "control": "PLAY PAUSE STOP START",
    "media": "TRACK SONG CHANNEL MESSAGE",
    "duration": "MINUTES SECONDS HOURS",
    "when": "NOW TODAY TONIGHT TOMORROW LATER",
}
WORD_CLASSES = {name: words.split() for name, words in _CLASSES.items()}

# A lower-case word is a class, [..] is kept half of the time.
_WEIGHTED_TEMPLATES = [
    (6, "[PLEASE] switch state THE room device [when]"),
    (2, "switch UP THE dial BY number PERCENT"),
    (2, "switch DOWN THE room dial BY number PERCENT"),
    (2, "SET THE room HEATER AT number DEGREES [when]"),
    (2, "SET THE TIMER AT number duration [AND number SECONDS]"),
    (1, "SET THE ALARM AT number AND number MINUTES"),
    (4, "MOVE THE machine direction number distance"),
    (2, "MOVE direction number AND direction number distance"),
    (3, "CALL NUMBER digit digit digit digit"),
    (4, "[PLEASE] operate opening letter number [when]"),
    (4, "handle THE colour object AT place letter number"),
    (3, "handle THE colour object AND THE colour object"),
    (4, "[PLEASE] control media number [when]"),
    (3, "SHOW PAGE number LINE number"),
    (2, "ADD number AND number"),
]
TEMPLATES = [template for weight, template in _WEIGHTED_TEMPLATES for _ in range(weight)]

# Teens and tens prevail, as they are confusable; 100..900 are rare.
NUMBERS = [*4 * ["teen"], *4 * ["ten"], *2 * ["digit"], *3 * ["ten unit"], "unit HUNDRED"]


class Sentences:
    """Draws sentences; every class is a deck that is dealt out before it is shuffled again.

    Dealing gives the words of a class the same count, which independent draws do not.

    Args:
        rng: The source of all choices.
    """

    def __init__(self, rng: random.Random) -> None:
        """Start with all decks empty."""
        self._rng = rng
        self._decks: dict[str, list[str]] = {}

    def draw(self) -> str:
        """Return one sentence of 3 to 10 words."""
        while True:
            text = self._expand_template()
            if 3 <= len(text.split()) <= 10:
                return text

    def _deal(self, name: str, cards: Sequence[str]) -> str:
        if not self._decks.get(name):
            self._decks[name] = self._rng.sample(cards, len(cards))
        return self._decks[name].pop()

    def _expand_template(self) -> str:
        template = self._deal("template", TEMPLATES)
        template = re.sub(r"\[(.*?)\]", self._keep_half, template)
        return " ".join(self._expand(word) for word in template.split())

    def _keep_half(self, option: re.Match[str]) -> str:
        return option.group(1) if self._rng.random() < 0.5 else ""

    def _expand(self, word: str) -> str:
        if word == "number":
            return " ".join(self._expand(part) for part in self._deal(word, NUMBERS).split())
        return self._deal(word, WORD_CLASSES[word]) if word.islower() else word


def vocabulary() -> set[str]:
    """Return every word that a sentence may hold."""
    words = {word for words in WORD_CLASSES.values() for word in words}
    for template in [*TEMPLATES, *NUMBERS]:
        words.update(re.findall(r"[A-Z]+", template))
    return words


def spoken(text: str) -> str:
    """Return ``text`` as the synthesiser wants it: lower case, but letters named (``B``)."""
    return " ".join(word if len(word) == 1 else word.lower() for word in text.split())
