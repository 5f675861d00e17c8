"""The table of all trainings, from their records: word error rate of every exit, over seeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_ee.errors import DataError
from espnet_ee.records import read_record
from espnet_ee.report.tables import markdown
from espnet_ee.scored_set import ScoredSet, score_set
from espnet_ee.statistics import error_rate_intervals

SETS = ("test_clean", "test_noisy")
TITLES = {
    "ctc": "CTC, from scratch",
    "aed": "CTC and attention, from scratch, CTC texts",
    "aed_attention": "the same, attention texts",
    "distillation": "CTC, 0.3 sequence distillation from the last exit",
    "layer_drop": "CTC, LayerDrop 0.1",
    "retrofit": "one exit first, then BiLSTM heads on the frozen model",
    "hubert_ee": "HuBERT-EE: small HuBERT, one exit first, then attention branches",
}


@dataclass(frozen=True)
class Training:
    """One way to train, on one set.

    Attributes:
        seeds: Numbers of the trainings.
        scored: One per seed.
    """

    name: str
    seeds: tuple[int, ...]
    scored: tuple[ScoredSet, ...]

    @property
    def rates(self) -> np.ndarray:
        """Word error rates, ``(seeds, exits)``."""
        return np.stack([one.words.errors.sum(0) / one.words.lengths.sum() for one in self.scored])

    def cells(self) -> list[str]:
        """Mean over seeds and its interval by speakers, one cell per exit, in per cent."""
        errors = np.sum([one.words.errors for one in self.scored], axis=0)  # (U, E)
        lengths = self.scored[0].words.lengths * len(self.scored)
        spread = error_rate_intervals(errors.T, lengths, self.scored[0].speakers)
        means = 100 * self.rates.mean(0)
        ends = zip(means, 100 * spread.low, 100 * spread.high, strict=True)
        return [f"{mean:.1f} ({low:.1f} - {high:.1f})" for mean, low, high in ends]


def load(records: Path, name: str, set_name: str) -> Training:
    """All seeds of one training that are there.

    Raises:
        DataError: Trainings that were decoded at different exits or on different texts.
    """
    paths = {
        int(path.parents[1].name.removeprefix("seed")): path
        for path in records.glob(f"{name}/seed*/{set_name}/record.jsonl.gz")
    }
    scored = tuple(score_set(read_record(paths[seed])) for seed in sorted(paths))
    if len({(one.header.exits, tuple(one.words.lengths)) for one in scored}) > 1:
        raise DataError(f"seeds of {name} on {set_name} differ in exits or texts.")
    return Training(name, tuple(sorted(paths)), scored)


def table(trainings: Sequence[Training]) -> list[str]:
    """One row per training."""
    layers = trainings[0].scored[0].header.exits
    columns = ("training", "parameters", "seeds", *(f"exit {layer}" for layer in layers))
    rows = [
        (
            TITLES[one.name],
            f"{one.scored[0].header.num_parameters:,}",
            ", ".join(map(str, one.seeds)),
            *one.cells(),
        )
        for one in trainings
    ]
    return markdown(columns, rows)


def seed_table(trainings: Sequence[Training]) -> list[str]:
    """The same, every seed on its own."""
    layers = trainings[0].scored[0].header.exits
    rows = [
        (TITLES[one.name], str(seed), *(f"{100 * rate:.1f}" for rate in rates))
        for one in trainings
        for seed, rates in zip(one.seeds, one.rates, strict=True)
    ]
    return markdown(("training", "seed", *(f"exit {layer}" for layer in layers)), rows)


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    lines = [
        "# RESULTS",
        "",
        "Made by `python summarise.py records`; do not edit. Word error rates in per cent, with",
        "95 % intervals by resampling speakers, errors of all seeds together.",
    ]
    for set_name in SETS:
        loaded = [load(records, name, set_name) for name in TITLES]
        trainings = [one for one in loaded if one.seeds]
        if not trainings:
            raise DataError(f"no records of {set_name}", got=str(records), fix="./run.sh")
        lines += ["", f"## {set_name}", "", *table(trainings), "", *seed_table(trainings)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=Path)
    parser.add_argument("--out", type=Path, default=Path("RESULTS.md"))
    args = parser.parse_args()
    args.out.write_text(results(args.records), encoding="utf-8")


if __name__ == "__main__":
    main()
