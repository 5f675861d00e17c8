"""The decoded sets of an experiment: ``EXP/<inference_tag>/<set>/record.jsonl.gz``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_ee.baselines import fixed_exits
from espnet_ee.errors import DataError
from espnet_ee.records import RECORD_NAME, Record, read_record
from espnet_ee.replay import OperatingPoint
from espnet_ee.scored_set import ScoredSet, score_set
from espnet_ee.scoring import references_of
from espnet_ee.statistics import Intervals, error_rate_intervals


@dataclass(frozen=True)
class Texts:
    """What was said and what was recognised, of ``U`` utterances at ``E`` exits.

    Attributes:
        utt_ids: ``U`` names.
        references: ``U`` texts.
        hypotheses: ``(U, E)`` texts.
    """

    utt_ids: tuple[str, ...]
    references: tuple[str, ...]
    hypotheses: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Decoded:
    """One set decoded by one experiment under one inference tag, scored at every exit.

    Attributes:
        experiment: Its name in tables and figures.
        tag: The inference tag.
        set_name: For instance ``test_clean``.
        is_dev: Whether thresholds may be chosen here.
        scored: Errors, costs and scores of every utterance at every exit.
        texts: Of the same utterances.
        fixed: The operating point of each exit, taken by all utterances.
    """

    experiment: str
    tag: str
    set_name: str
    is_dev: bool
    scored: ScoredSet
    texts: Texts
    fixed: tuple[OperatingPoint, ...]


def load_experiment(folder: str | Path, label: str = "", dev: Sequence[str] = ()) -> list[Decoded]:
    """Read and score every record of an experiment, sorted by tag and set.

    Args:
        folder: The experiment, for instance ``exp/asr_train_ee``.
        label: Its name in tables and figures; default: the folder's name.
        dev: Names of the sets to choose thresholds on; default: ``dev``, ``dev_clean``,
            ``train_dev`` and the like.

    Raises:
        DataError: The folder holds no record at the expected place.
    """
    folder = Path(folder)
    paths = sorted(folder.glob(f"*/*/{RECORD_NAME}"))
    if not paths:
        raise DataError(
            f"No record below {folder}.",
            want=f"{folder}/<inference_tag>/<set>/{RECORD_NAME}",
            fix="decode first (stage 12), and name one experiment, such as exp/asr_train_ee",
        )
    found = []
    for path in paths:
        record = read_record(path)
        scored = score_set(record)
        found.append(
            Decoded(
                experiment=label or folder.resolve().name,
                tag=path.parent.parent.name,
                set_name=path.parent.name,
                is_dev=name_is_dev(path.parent.name, dev),
                scored=scored,
                texts=_texts_of(record),
                fixed=tuple(fixed_exits(scored)),
            )
        )
    return found


def _texts_of(record: Record) -> Texts:
    return Texts(
        utt_ids=tuple(utterance.utt_id for utterance in record.utterances),
        references=tuple(references_of(record)),
        hypotheses=tuple(
            tuple(exit_.text for exit_ in utterance.exits) for utterance in record.utterances
        ),
    )


def name_is_dev(name: str, dev: Sequence[str]) -> bool:
    """Whether a set is one of ``dev`` or, where these are not given, looks like one by its name."""
    return name in dev if dev else "dev" in name.split("_")


def word_intervals(scored: ScoredSet, points: Sequence[OperatingPoint], seed: int) -> Intervals:
    """Return the 95 % intervals of the WER of each point."""
    errors = _picked(scored.words.errors, points)
    return error_rate_intervals(errors, scored.words.lengths, scored.speakers, seed)


def character_intervals(
    scored: ScoredSet, points: Sequence[OperatingPoint], seed: int
) -> Intervals:
    """Return the 95 % intervals of the CER of each point."""
    errors = _picked(scored.characters.errors, points)
    return error_rate_intervals(errors, scored.characters.lengths, scored.speakers, seed)


def _picked(
    errors: np.ndarray[tuple[int, ...], np.dtype[np.int64]], points: Sequence[OperatingPoint]
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the errors (U, E) of each point's texts, ``(P, U)``."""
    return np.stack([errors[np.arange(len(errors)), point.said] for point in points])
