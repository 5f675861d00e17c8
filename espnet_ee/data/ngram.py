"""An n-gram language model of words or of a model's tokens, as an ARPA file (recipe stage 9).

Interpolated modified Kneser-Ney, as KenLM's ``lmplz`` estimates it without pruning: counts of
contexts below the highest order, three discounts per order, unigrams mixed with the uniform
distribution over all words, ``<unk>`` and the end. Source: Chen and Goodman 1999; Heafield et al.
2013. For texts of some million words; ``lmplz`` writes the same format for larger ones.
"""

from __future__ import annotations

import argparse
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet_ee.data.command import count, run_command
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.kaldi import read_table
from espnet_ee.data.lexicon import speller
from espnet_ee.data.tokens import SPACE
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

SPECIAL = BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"
Gram = tuple[str, ...]
# Discounts of counts 1, 2 and 3 or more where a text is too small to tell them: lmplz's fallback.
FALLBACK = (0.5, 1.0, 1.5)
NEVER = -99.0  # log10 of a probability of 0, by custom of the format


@dataclass(frozen=True)
class NGram:
    """Probabilities of the n-grams of a text, and what their contexts leave to shorter ones.

    Attributes:
        order: N.
        probabilities: Of an n-gram's last word behind the others, for n from 1 to N.
        backoffs: Weight of the shorter context where a context lacks a word.
    """

    order: int
    probabilities: dict[Gram, float]
    backoffs: dict[Gram, float]

    def probability(self, word: str, context: Gram = ()) -> float:
        """Of ``word`` or the end behind ``context``; a word that the text lacks is ``<unk>``."""
        word = word if (word,) in self.probabilities else UNKNOWN
        context = context[max(0, len(context) - self.order + 1) :]
        weight = 1.0
        while (*context, word) not in self.probabilities:
            weight *= self.backoffs.get(context, 1.0)
            context = context[1:]
        return weight * self.probabilities[(*context, word)]


def estimate(sentences: Iterable[Sequence[str]], order: int) -> NGram:
    """The n-gram of sentences of words; it has no word that the sentences lack but ``<unk>``.

    Raises:
        DataError: There is no word.
    """
    counts = _adjusted(sentences, order)
    if not any(counts[1][gram] for gram in counts[1] if gram != (END,)):
        raise DataError("There is no word to estimate an n-gram from.", want="a text")
    probabilities = _unigrams(counts[1])
    backoffs: dict[Gram, float] = {}
    for n in range(2, order + 1):
        discounts = _discounts(counts[n])
        leftover = _leftover(counts[n], discounts)
        for gram, number in counts[n].items():
            total, left = leftover[gram[:-1]]
            own = (number - discounts[min(number, 3) - 1]) / total
            probabilities[gram] = own + left * probabilities[gram[1:]]
        backoffs |= {context: left for context, (_, left) in leftover.items()}
    return NGram(order, probabilities, backoffs)


def arpa(model: NGram) -> Iterator[str]:
    """Lines of the model's ARPA file."""
    grams = [
        sorted(gram for gram in model.probabilities if len(gram) == n)
        for n in range(1, model.order + 1)
    ]
    yield "\\data\\"
    yield from (f"ngram {n}={len(same)}" for n, same in enumerate(grams, start=1))
    for n, same in enumerate(grams, start=1):
        yield ""
        yield f"\\{n}-grams:"
        for gram in same:
            fields = [_log10(model.probabilities[gram]), " ".join(gram)]
            if n < model.order:
                fields.append(_log10(model.backoffs.get(gram, 1.0)))
            yield "\t".join(fields)
    yield ""
    yield "\\end\\"


def _adjusted(sentences: Iterable[Sequence[str]], order: int) -> list[Counter[Gram]]:
    """Counts by n, from 1: below the highest order of different words before, not of occurrences.

    Nothing comes before the start of a sentence: what begins with it keeps its occurrences.
    """
    seen = [Counter[Gram]() for _ in range(order + 1)]
    for sentence in sentences:
        words = (BEGIN, *(word for word in sentence if word not in SPECIAL), END)
        for n in range(1, order + 1):
            seen[n].update(words[i : i + n] for i in range(len(words) - n + 1))
    del seen[1][(BEGIN,)]
    before = [Counter(gram[1:] for gram in longer) for longer in seen[1:]]  # before[n], of n words
    return [
        Counter({g: c if n == order or g[0] == BEGIN else before[n][g] for g, c in same.items()})
        for n, same in enumerate(seen)
    ]


def _unigrams(counts: Counter[Gram]) -> dict[Gram, float]:
    """Of all words, the end and ``<unk>``, which share evenly what discounts take."""
    discounts = _discounts(counts)
    [(total, left)] = _leftover(counts, discounts).values()
    uniform = left / (len(counts) + 1)
    seen = {
        gram: (number - discounts[min(number, 3) - 1]) / total + uniform
        for gram, number in counts.items()
    }
    return {**seen, (UNKNOWN,): uniform, (BEGIN,): 0.0}


def _discounts(counts: Counter[Gram]) -> tuple[float, float, float]:
    """Of counts 1, 2 and 3 or more."""
    of_counts = Counter(counts.values())
    one, two, three, four = (of_counts[n] for n in (1, 2, 3, 4))
    if not (one and two and three):
        return FALLBACK
    y = one / (one + 2 * two)
    found = (1 - 2 * y * two / one, 2 - 3 * y * three / two, 3 - 4 * y * four / three)
    return found if all(0 <= d <= n for n, d in enumerate(found, start=1)) else FALLBACK


def _leftover(counts: Counter[Gram], discounts: Sequence[float]) -> dict[Gram, tuple[int, float]]:
    """Context to the sum of its counts, and the share of it that discounts took."""
    totals: defaultdict[Gram, int] = defaultdict(int)
    taken: defaultdict[Gram, float] = defaultdict(float)
    for gram, number in counts.items():
        totals[gram[:-1]] += number
        taken[gram[:-1]] += discounts[min(number, 3) - 1]
    return {context: (total, taken[context] / total) for context, total in totals.items()}


def _log10(value: float) -> str:
    return f"{math.log10(value) if value > 0.0 else NEVER:.7g}"


def sentence_splitter(token_type: str, bpemodel: Path | None) -> Callable[[str], list[str]]:
    """A text to what the n-gram is of.

    Raises:
        ConfigError: There is no such SentencePiece model.
    """
    if token_type == "char":
        return lambda line: [
            SPACE if letter == " " else letter for letter in " ".join(line.split())
        ]
    return str.split if token_type == "word" else speller(token_type, bpemodel)


def main() -> None:
    parser = argparse.ArgumentParser(description="Estimate an n-gram from Kaldi text files.")
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--order", type=count, default=3)
    parser.add_argument("--out", type=Path, required=True, help="the ARPA file")
    parser.add_argument(
        "--token_type", choices=("bpe", "char", "word"), default="word", help="what a gram is of"
    )
    parser.add_argument("--bpemodel", type=Path)
    args = parser.parse_args()
    lines = [line for text in args.texts for line in read_table(text).values()]
    model = estimate(map(sentence_splitter(args.token_type, args.bpemodel), lines), args.order)
    write_lines_atomic(args.out, arpa(model))
    logger.info("%s: %d n-grams of %d sentences", args.out, len(model.probabilities), len(lines))


if __name__ == "__main__":
    run_command(main)
