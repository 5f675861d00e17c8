"""Where along a reference the errors lie. U utterances, E exits, S slots of all utterances.

A reference of ``n`` words has ``2 n + 1`` slots: the gap before the first word, that word, the
next gap and so on. A wrong word errs in its own slot, inserted words in the gap where they stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet_ee.scoring import IntArray


@dataclass(frozen=True)
class Slots:
    """The slots of all references, one utterance behind the other.

    Attributes:
        utterance: Row of each slot, ``(S,)``.
        is_word: 1 for a word, 0 for a gap, ``(S,)``.
    """

    utterance: IntArray
    is_word: IntArray

    @classmethod
    def of(cls, references: Sequence[str]) -> Slots:
        """Lay out the words of ``references``."""
        sizes = np.array([2 * len(text.split()) + 1 for text in references], dtype=np.int64)
        within = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
        return cls(np.repeat(np.arange(len(sizes)), sizes), within % 2)


def errors_at_slots(references: Sequence[str], hypotheses: Sequence[Sequence[str]]) -> IntArray:
    """Count the errors in each slot, ``(S, E)``, along an alignment with the fewest errors.

    Where several have as few, one of them is taken: sclite may take another.

    Args:
        references: ``U`` texts.
        hypotheses: ``(U, E)`` texts.
    """
    known: dict[tuple[str, str], IntArray] = {}
    parts = []
    for reference, row in zip(references, hypotheses, strict=True):
        for hypothesis in row:
            if (reference, hypothesis) not in known:  # neighbouring exits often agree
                known[reference, hypothesis] = _errors_of(reference.split(), hypothesis.split())
        parts.append(np.stack([known[reference, hypothesis] for hypothesis in row], axis=1))
    return np.concatenate(parts)


def _errors_of(reference: list[str], hypothesis: list[str]) -> IntArray:
    from rapidfuzz.distance import Levenshtein

    errors = np.zeros(2 * len(reference) + 1, dtype=np.int64)
    if reference == hypothesis:
        return errors
    for edit in Levenshtein.editops(reference, hypothesis):
        errors[2 * edit.src_pos + (edit.tag != "insert")] += 1
    return errors
