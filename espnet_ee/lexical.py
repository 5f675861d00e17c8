"""What a language looks like in writing: its words, and how its characters follow each other.

Small enough to lie beside a model as ``lexical.json.gz``; needs neither torch nor ESPnet.
"""

from __future__ import annotations

import gzip
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from espnet_ee.errors import DataError

LEXICAL_NAME = "lexical.json.gz"
ORDER = 6  # characters of an n-gram
MOST_TEXTS = 20_000  # the characters' model learns from so many, drawn evenly
_FORMAT = "espnet-ee-lexical"
_REMEMBERED = 100_000  # n-grams' probabilities: some ten megabytes
_START, _END = "\x02", "\x03"


@dataclass(frozen=True)
class Lexical:
    """Of one language, or of one recogniser's domain.

    Attributes:
        words: All that its training texts have.
        counts: Up to ``ORDER`` characters -> how often they follow each other.
    """

    words: frozenset[str]
    counts: Mapping[str, int] = field(repr=False, compare=False)

    def known_share(self, text: str) -> float:
        """Share of the words of ``text`` that are in the lexicon; 0 without any word."""
        words = text.split()
        return sum(word in self.words for word in words) / len(words) if words else 0.0

    def log_prob(self, text: str) -> float:
        """Mean log-probability of the characters of ``text`` and of its end, nats/character.

        Source: interpolation of n-grams by Witten and Bell (1991).
        """
        line = _line(text)
        places = range(ORDER - 1, len(line))
        total = sum(self._log_prob_of(line[place - ORDER + 1 : place + 1]) for place in places)
        return total / len(places)

    @cached_property
    def _log_prob_of(self) -> Callable[[str], float]:
        """Of a gram's last character behind the others; remembered, since exits repeat texts."""

        def log_prob(gram: str) -> float:
            return math.log(self._probability(gram[:-1], gram[-1]))

        return lru_cache(_REMEMBERED)(log_prob)

    def _probability(self, history: str, character: str) -> float:
        """Of ``character`` behind ``history``, from the shortest history to the longest."""
        probability = 1.0 / (len(self._alphabet) + 1)  # one for all that training never saw
        for start in range(len(history), -1, -1):
            total, kinds = self._continuations.get(history[start:], (0, 0))
            if total == 0:
                break
            seen = self.counts.get(history[start:] + character, 0)
            probability = (seen + kinds * probability) / (total + kinds)
        return probability

    @cached_property
    def _alphabet(self) -> frozenset[str]:
        return frozenset(gram for gram in self.counts if len(gram) == 1)

    @cached_property
    def _continuations(self) -> dict[str, tuple[int, int]]:
        """History -> how often, and with how many different characters, it goes on."""
        found: dict[str, tuple[int, int]] = {}
        for gram, count in self.counts.items():
            total, kinds = found.get(gram[:-1], (0, 0))
            found[gram[:-1]] = total + count, kinds + 1
        return found

    @classmethod
    def of_texts(cls, texts: Iterable[str]) -> Lexical:
        """Learn from texts; each different one counts once, as speed perturbation repeats them.

        Raises:
            DataError: There is no word in them.
        """
        lines = sorted({" ".join(text.split()) for text in texts} - {""})
        if not lines:
            raise DataError("There is no text to learn words from.", want="lines with words")
        words = frozenset(word for line in lines for word in line.split())
        step = -(-len(lines) // MOST_TEXTS)
        return cls(words, _count(lines[::step]))

    def save(self, path: str | Path) -> None:
        """Write ``lexical.json.gz``; equal contents are equal bytes."""
        content = {"format": _FORMAT, "order": ORDER, "words": sorted(self.words)}
        text = json.dumps({**content, "counts": dict(sorted(self.counts.items()))})
        Path(path).write_bytes(gzip.compress(text.encode(), mtime=0))

    @classmethod
    def find(cls, folder: Path) -> Lexical | None:
        """What lies in the folder of a model, if it does."""
        path = folder / LEXICAL_NAME
        return cls.load(path) if path.exists() else None

    @classmethod
    def load(cls, path: str | Path) -> Lexical:
        """Read what ``save`` wrote.

        Raises:
            DataError: The file is missing, damaged or something else.
        """
        content = _read(Path(path))
        expected = {"format": _FORMAT, "order": ORDER}
        if not isinstance(content, dict) or not content.items() >= expected.items():
            raise DataError(
                f"{path} holds no words and characters.",
                want=f"a file of format {_FORMAT}, order {ORDER}",
                fix="espnet-ee lexical",
            )
        return cls(frozenset(content["words"]), content["counts"])


def _line(text: str) -> str:
    return _START * (ORDER - 1) + " ".join(text.split()) + _END


def _count(texts: Sequence[str]) -> dict[str, int]:
    """How often each string of 1 to ``ORDER`` characters ends at a place of the texts."""
    counts: Counter[str] = Counter()
    for line in map(_line, texts):
        for end in range(ORDER, len(line) + 1):
            counts.update(line[start:end] for start in range(end - ORDER, end))
    return dict(counts)


def _read(path: Path) -> Any:
    try:
        return json.loads(gzip.decompress(path.read_bytes()))
    except FileNotFoundError as error:
        raise DataError(f"There is no {path}.", fix="espnet-ee lexical") from error
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path} cannot be read.", got=str(error), want=LEXICAL_NAME) from error
