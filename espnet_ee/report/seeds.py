"""Trainings of one kind with several seeds: their errors together, and against another kind.

Records lie in ``RECORDS/<kind>/seed<N>/<set>/record.jsonl.gz``. U utterances, E exits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_ee.comparison.testing import holm, permutation_p_values
from espnet_ee.errors import DataError
from espnet_ee.records import RECORD_NAME, read_record
from espnet_ee.report.tables import markdown
from espnet_ee.scored_set import ScoredSet, score_set
from espnet_ee.scoring import FloatArray, IntArray
from espnet_ee.statistics import error_rate_intervals, units_of


@dataclass(frozen=True)
class Trainings:
    """Trainings of one kind, decoded on one set.

    Attributes:
        kind: What they have in common.
        seeds: Numbers of the trainings.
        scored: One per seed.
    """

    kind: str
    seeds: tuple[int, ...]
    scored: tuple[ScoredSet, ...]

    @property
    def rates(self) -> FloatArray:
        """Word error rates, ``(seeds, E)``."""
        return np.stack([one.words.errors.sum(0) / one.words.lengths.sum() for one in self.scored])

    def only(self, seeds: Collection[int]) -> Trainings:
        """Those of some seeds."""
        kept = [place for place, seed in enumerate(self.seeds) if seed in seeds]
        return Trainings(
            self.kind,
            tuple(self.seeds[place] for place in kept),
            tuple(self.scored[place] for place in kept),
        )

    def errors(self, layer: int, seeds: Sequence[int]) -> IntArray:
        """Word errors of some seeds together at one layer's exit, ``(U,)``."""
        column = self.scored[0].header.exits.index(layer)
        found = [self.scored[self.seeds.index(seed)].words.errors[:, column] for seed in seeds]
        total: IntArray = np.sum(found, axis=0)
        return total

    def mean_rates(self) -> FloatArray:
        """Mean word error rate over seeds and its 95 % interval by speakers, ``(E, 3)``."""
        errors = np.sum([one.words.errors for one in self.scored], axis=0)  # (U, E)
        lengths = self.scored[0].words.lengths * len(self.scored)
        spread = error_rate_intervals(errors.T, lengths, self.scored[0].speakers)
        return np.stack([self.rates.mean(0), spread.low, spread.high], axis=1)

    def cells(self) -> list[str]:
        """The same in per cent, one cell per exit."""
        ends = 100 * self.mean_rates()
        return [f"{mean:.1f} ({low:.1f} - {high:.1f})" for mean, low, high in ends]


def load_seeds(records: Path, kind: str, set_name: str) -> Trainings:
    """All seeds of one kind that are there, perhaps none.

    Raises:
        DataError: Trainings that were decoded at different exits or on different texts.
    """
    paths = {
        int(path.parents[1].name.removeprefix("seed")): path
        for path in records.glob(f"{kind}/seed*/{set_name}/{RECORD_NAME}")
    }
    scored = tuple(score_set(read_record(paths[seed])) for seed in sorted(paths))
    for one in scored:
        if one.header.exits != scored[0].header.exits or not _same_utterances(one, scored[0]):
            raise DataError(f"seeds of {kind} on {set_name} differ in exits or utterances.")
    return Trainings(kind, tuple(sorted(paths)), scored)


@dataclass(frozen=True)
class Difference:
    """How many points of WER one kind has more than another, over the seeds of both.

    Attributes:
        seeds: Which.
        points: A fraction of the reference words; below 0, the first has fewer errors.
        low: Lower end of its 95 % interval, speakers drawn.
        high: Upper end.
        p: Of the permutation test over speakers, two-sided.
    """

    seeds: tuple[int, ...]
    points: float
    low: float
    high: float
    p: float


def difference(one: Trainings, other: Trainings, layer: int, other_layer: int) -> Difference:
    """Compare an exit of one kind with an exit of another on the same utterances.

    Raises:
        DataError: No common seed, or other utterances.
    """
    seeds = tuple(seed for seed in one.seeds if seed in other.seeds)
    if not seeds:
        raise DataError(f"{one.kind} and {other.kind} have no seed in common.")
    lengths = one.scored[0].words.lengths
    if not _same_utterances(one.scored[0], other.scored[0]):
        raise DataError(f"{one.kind} and {other.kind} were decoded on different utterances.")
    more = (one.errors(layer, seeds) - other.errors(other_layer, seeds))[None]
    speakers, words = one.scored[0].speakers, lengths * len(seeds)
    ends = error_rate_intervals(more, words, speakers)
    (p,) = permutation_p_values(more, units_of(speakers))
    points = float(more.sum() / words.sum())
    return Difference(seeds, points, float(ends.low[0]), float(ends.high[0]), float(p))


def _same_utterances(one: ScoredSet, other: ScoredSet) -> bool:
    """As far as scored sets tell: words, speakers and seconds of each, in the same order."""
    return (
        np.array_equal(one.words.lengths, other.words.lengths)
        and one.speakers == other.speakers
        and np.array_equal(one.seconds, other.seconds)
    )


def kinds_table(trainings: Sequence[Trainings], titles: Mapping[str, str]) -> list[str]:
    """One row per kind, in Markdown: WER of every exit over its seeds, with intervals."""
    rows = [
        (
            titles[one.kind],
            f"{one.scored[0].header.num_parameters:,}",
            ", ".join(map(str, one.seeds)),
            *one.cells(),
        )
        for one in trainings
    ]
    return markdown(("training", "parameters", "seeds", *_exit_columns(trainings)), rows)


def seeds_table(trainings: Sequence[Trainings], titles: Mapping[str, str]) -> list[str]:
    """The same, every seed on its own."""
    rows = [
        (titles[one.kind], str(seed), *(f"{100 * rate:.1f}" for rate in rates))
        for one in trainings
        for seed, rates in zip(one.seeds, one.rates, strict=True)
    ]
    return markdown(("training", "seed", *_exit_columns(trainings)), rows)


def differences_table(
    found: Sequence[tuple[str, int, Difference]], columns: tuple[str, str]
) -> list[str]:
    """Differences of kinds at layers in Markdown, p-values adjusted over the table (Holm).

    Args:
        found: Title, layer and difference of each row.
        columns: What the titles and the points are called.
    """
    adjusted = holm([one.p for _, _, one in found])
    rows = [
        (
            title,
            str(layer),
            ", ".join(map(str, one.seeds)),
            f"{100 * one.points:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})",
            f"{p:.3f}" if p >= 0.001 else "below 0.001",
        )
        for (title, layer, one), p in zip(found, adjusted, strict=True)
    ]
    return markdown((columns[0], "exit", "seeds", columns[1], "p, Holm"), rows)


def _exit_columns(trainings: Sequence[Trainings]) -> list[str]:
    return [f"exit {layer}" for layer in trainings[0].scored[0].header.exits]
