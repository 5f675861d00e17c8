"""Two experiments that decoded the same utterances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from record_factory import make_record, save

from espnet_ee.records import ExitHypothesis, Record

SETS = ("dev", "test_clean", "test_noisy")


def garbled(record: Record, share: float, seed: int = 0) -> Record:
    """The same record, as of another model: some words of all exits are lost."""
    rng = np.random.default_rng(seed)

    def lose(exit: ExitHypothesis) -> ExitHypothesis:
        kept = [word for word in exit.text.split() if rng.random() >= share]
        return replace(exit, text=" ".join(kept))

    made = tuple(replace(u, exits=tuple(map(lose, u.exits))) for u in record.utterances)
    header = replace(record.header, checkpoint_sha256=f"{seed + 1:064x}")
    return Record(header, made)


@pytest.fixture
def two(tmp_path) -> Callable[..., tuple[Path, Path]]:
    """Make ``A`` and ``B`` with one tag: B loses a share of A's words."""

    def make(
        share: float = 0.1, sets: tuple[str, ...] = SETS, tag: str = "decode", **options
    ) -> tuple[Path, Path]:
        folders = tmp_path / "exp" / "A", tmp_path / "exp" / "B"
        for seed, name in enumerate(sets):
            record = make_record(**{"utterances": 40, "seed": seed, "set_name": name, **options})
            save(record, folders[0] / tag / name / "record.jsonl.gz")
            save(garbled(record, share), folders[1] / tag / name / "record.jsonl.gz")
        return folders

    return make
