"""Word and character errors of every utterance and exit, counted with jiwer.

Texts are compared as they are: no case folding, no normalisation, only runs of spaces
count as one. U utterances, E exits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from espnet_ee.data.kaldi import some
from espnet_ee.errors import DataError
from espnet_ee.records import Record

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorCounts:
    """Edits between reference and hypothesis, each ``(U, E)``, in words or characters."""

    hits: IntArray
    substitutions: IntArray
    deletions: IntArray
    insertions: IntArray

    @property
    def errors(self) -> IntArray:
        """Substitutions, deletions and insertions together, ``(U, E)``."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def lengths(self) -> IntArray:
        """Reference words or characters, ``(U,)``."""
        return (self.hits + self.substitutions + self.deletions)[:, 0]

    def take(self, rows: IntArray) -> ErrorCounts:
        """Of some utterances, in the order of ``rows`` ``(N,)``."""
        return ErrorCounts(
            self.hits[rows], self.substitutions[rows], self.deletions[rows], self.insertions[rows]
        )


def count_words(references: Sequence[str], hypotheses: Sequence[Sequence[str]]) -> ErrorCounts:
    """Count word errors of ``hypotheses`` ``(U, E)`` against ``references`` ``(U,)``."""
    return _count(references, hypotheses, "words")


def count_characters(references: Sequence[str], hypotheses: Sequence[Sequence[str]]) -> ErrorCounts:
    """Count character errors; the space between two words is a character."""
    return _count(references, hypotheses, "characters")


def _count(
    references: Sequence[str], hypotheses: Sequence[Sequence[str]], unit: str
) -> ErrorCounts:
    pairs = [
        (_single_spaces(reference), _single_spaces(hypothesis))
        for reference, row in zip(references, hypotheses, strict=True)
        for hypothesis in row
    ]
    known = dict.fromkeys(pairs, 0)  # neighbouring exits often agree: count each pair once
    rows = _edits(list(known), unit)
    for row, pair in enumerate(known):
        known[pair] = row
    counts = rows[[known[pair] for pair in pairs]].reshape(len(references), -1, 4)  # (U, E, 4)
    return ErrorCounts(*np.moveaxis(counts, -1, 0))


def _edits(pairs: Sequence[tuple[str, str]], unit: str) -> IntArray:
    """Return hits, substitutions, deletions and insertions of each pair, ``(N, 4)``."""
    import jiwer  # half a second that other commands need not pay

    process: Any = jiwer.process_words if unit == "words" else jiwer.process_characters
    counts = np.zeros((len(pairs), 4), dtype=np.int64)
    spoken = [row for row, (reference, _) in enumerate(pairs) if reference]
    for row, (reference, hypothesis) in enumerate(pairs):
        if not reference:  # jiwer's answer depends on its version: all of it is inserted
            counts[row, 3] = len(hypothesis.split() if unit == "words" else hypothesis)
    if spoken:
        output = process([pairs[row][0] for row in spoken], [pairs[row][1] for row in spoken])
        for row, chunks in zip(spoken, output.alignments, strict=True):
            counts[row] = _sum_chunks(chunks)
    return counts


def _sum_chunks(chunks: Iterable[Any]) -> tuple[int, int, int, int]:
    totals = {"equal": 0, "substitute": 0, "delete": 0, "insert": 0}
    for chunk in chunks:
        totals[chunk.type] += max(
            chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx
        )
    return totals["equal"], totals["substitute"], totals["delete"], totals["insert"]


def _single_spaces(text: str) -> str:
    return " ".join(text.split())


def references_of(record: Record, texts: Mapping[str, str] | None = None) -> list[str]:
    """Return the reference of each utterance: from ``texts`` if given, else the record's.

    Raises:
        DataError: An utterance has no reference.
    """
    found = [
        utterance.ref if texts is None else texts.get(utterance.utt_id)
        for utterance in record.utterances
    ]
    missing = [u.utt_id for u, ref in zip(record.utterances, found, strict=True) if ref is None]
    if missing:
        raise DataError(
            f"Set {record.header.set_name}: {len(missing)} utterances have no reference.",
            got=some(missing),
            want="a reference for each utterance" + ("" if texts is None else " in the text file"),
            fix="give a Kaldi text file with every utterance: --ref text",
        )
    return [ref for ref in found if ref is not None]


def speakers_of(record: Record, utt2spk: Mapping[str, str] | None = None) -> list[str | None]:
    """Return the speaker of each utterance; None where the record knows none.

    Raises:
        DataError: An utterance is not in the given ``utt2spk``, or without speaker there.
    """
    if utt2spk is None:
        return [utterance.speaker for utterance in record.utterances]
    missing = [u.utt_id for u in record.utterances if not utt2spk.get(u.utt_id)]
    if missing:
        raise DataError(
            f"Set {record.header.set_name}: {len(missing)} utterances have no speaker in utt2spk.",
            got=some(missing),
            want="a speaker for each utterance",
        )
    return [utt2spk[utterance.utt_id] for utterance in record.utterances]


def check_covered(records: Iterable[Record], table: Mapping[str, str], path: str | Path) -> None:
    """Refuse a table with utterances that no record decoded: they would silently not count.

    Raises:
        DataError: ``table`` holds an id that is in none of ``records``.
    """
    decoded = {utterance.utt_id for record in records for utterance in record.utterances}
    unknown = [utt_id for utt_id in table if utt_id not in decoded]
    if unknown:
        raise DataError(
            f"{path}: {len(unknown)} utterances are in no record.",
            got=some(unknown),
            want="the utterances that were decoded, no others",
            fix="decode them, or take them out of the file",
        )
