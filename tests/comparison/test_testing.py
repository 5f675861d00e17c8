"""Paired tests: against brute force, against scipy, against NIST's own program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sctk import aligned, kinds_of, mapsswe, needs_sctk

from espnet_ee.comparison.alignment import Slots, errors_at_slots
from espnet_ee.comparison.testing import (
    holm,
    least_p_value,
    permutation_p_values,
    segment_differences,
    segment_test,
)
from espnet_ee.records import read_record
from espnet_ee.statistics import units_of

ROOT = Path(__file__).resolve().parents[2]
FAMILY = ROOT / "experiments" / "model_family" / "records"


def speakers(count: int, each: int) -> list[str]:
    return [f"s{number:02d}" for number in range(count) for _ in range(each)]


# ------------------------------------------------------------------------- permutations


def scipys(differences: np.ndarray, resamples: float) -> float:
    def total(first, second, axis):
        return (second - first).sum(axis=axis)

    result = stats.permutation_test(
        (np.zeros_like(differences), differences),
        total,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


@pytest.mark.parametrize("seed", range(5))
def test_few_units_are_swapped_in_all_ways(seed):
    differences = np.random.default_rng(seed).integers(-2, 4, (2, 24))
    found = permutation_p_values(differences, units_of(speakers(8, 3)))
    sums = differences.reshape(2, 8, 3).sum(axis=2)
    assert found == pytest.approx([scipys(row, np.inf) for row in sums])


def test_many_units_are_swapped_at_random():
    differences = np.random.default_rng(1).integers(-2, 4, (1, 60))
    found = permutation_p_values(differences, units_of([None] * 60), resamples=20_000)
    assert found[0] == pytest.approx(scipys(differences[0], 20_000), abs=0.01)


def test_swaps_in_blocks_count_all_draws(monkeypatch):
    differences = np.random.default_rng(2).integers(-2, 3, (2, 40))
    whole = permutation_p_values(differences, units_of([None] * 40), resamples=999)
    monkeypatch.setattr("espnet_ee.statistics._BLOCK", 40 * 100)
    assert permutation_p_values(differences, units_of([None] * 40), resamples=999) == (
        pytest.approx(whole)
    )


def test_equal_systems_have_p_one():
    for count in (2, 30):
        units = units_of(speakers(count, 2))
        assert permutation_p_values(np.zeros((1, 2 * count), dtype=int), units) == [1.0]


def test_the_least_p_value():
    few, many = units_of(speakers(5, 2)), units_of(speakers(50, 1))
    assert least_p_value(few, 10_000) == 2 / 32
    assert permutation_p_values(np.ones((1, 10), dtype=int), few)[0] == 2 / 32
    assert least_p_value(many, 999) == 1 / 1000
    assert permutation_p_values(np.ones((1, 50), dtype=int), many, resamples=999)[0] == 1 / 1000
    assert least_p_value(units_of(["one"]), 999) == 1.0
    assert least_p_value(units_of([None] * 5559), 999) == 1 / 1000


# ----------------------------------------------------------------------------- segments


def differences(reference: str, first: str, second: str) -> list[int]:
    slots = Slots.of([reference])
    one, two = (errors_at_slots([reference], [[text]])[:, 0] for text in (first, second))
    return segment_differences(slots, one, two).tolist()


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("A B C D E F", "A B C D E F", []),
        ("A B C D E F", "A X C D E F", [1]),
        ("A X C D E F", "A B C X E F", [0]),  # one word between: one segment
        ("A X C D E F", "A B C D X F", [-1, 1]),  # two words between
        ("A X C D E F", "A B C X D E F", [-1 + 1]),  # an insertion ends the row of right words
        ("X A B C D E F", "A B C D E F X", [-1, 1]),
        ("", "A B C D E F", [-6]),
    ],
)
def test_segments_lie_between_two_words_that_both_have_right(first, second, expected):
    assert differences("A B C D E F", first, second) == expected


def test_utterances_do_not_share_segments():
    slots = Slots.of(["A", "B"])
    wrong, right = np.array([0, 1, 0, 0, 1, 0]), np.zeros(6, dtype=int)
    assert segment_differences(slots, wrong, right).tolist() == [-1, -1]


def test_the_statistic_is_that_of_one_sample():
    found = segment_test(np.array([1, 0, -1, 2, 1, 0, 3]))
    expected = stats.ttest_1samp([1, 0, -1, 2, 1, 0, 3], 0.0)
    assert found.segments == 7
    assert found.z == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)


@pytest.mark.parametrize(
    ("values", "z"), [([], 0.0), ([0, 0], 0.0), ([3], 0.0), ([-2] * 4, -2.0), ([1, -1], 0.0)]
)
def test_segments_without_spread(values, z):
    found = segment_test(np.array(values, dtype=np.int64))
    assert found.z == pytest.approx(z)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(z), max(len(values) - 1, 1)))


def texts_of(path: Path, exit: int) -> tuple[list[str], list[str]]:
    utterances = read_record(path).utterances
    return [u.ref for u in utterances], [" ".join(u.exits[exit].text.split()) for u in utterances]


def slots_of(kinds: str) -> list[int]:
    """Errors by slot along an alignment of C, S, D and I."""
    errors = [0]
    for kind in kinds:
        if kind == "I":
            errors[-1] += 1
        else:
            errors += [int(kind != "C"), 0]
    return errors


@needs_sctk
@pytest.mark.parametrize("exit", range(3))
@pytest.mark.parametrize(
    ("one", "two", "set_name"),
    [
        ("ctc", "aed", "test_noisy"),
        ("ctc", "layer_drop", "test_clean"),
        ("aed", "hubert_ee", "test_clean"),
    ],
)
def test_it_is_the_test_of_nist(one, two, set_name, exit, tmp_path):
    paths = [FAMILY / name / "seed0" / set_name / "record.jsonl.gz" for name in (one, two)]
    (references, first), (others, second) = (texts_of(path, exit) for path in paths)
    assert references == others
    sgmls = [
        aligned(references, first, tmp_path, "one"),
        aligned(references, second, tmp_path, "b"),
    ]
    theirs = mapsswe(*sgmls)
    # Where both say the same of a text, words inserted at its end by the second system alone would
    # escape their program; these sets have none.
    kinds = [kinds_of(sgml) for sgml in sgmls]
    slots = Slots.of(references)
    along_theirs = [np.concatenate([slots_of(text) for text in of_system]) for of_system in kinds]
    along_ours = [
        errors_at_slots(references, [[text] for text in texts])[:, 0] for texts in (first, second)
    ]
    ours = segment_test(segment_differences(slots, *along_theirs))
    assert ours.segments == theirs["segments"]
    assert -ours.z == pytest.approx(theirs["z"], abs=6e-4)  # they print three digits
    own = segment_test(segment_differences(slots, *along_ours))
    assert own.segments == pytest.approx(theirs["segments"], rel=0.02)
    assert -own.z == pytest.approx(theirs["z"], abs=0.1)


# --------------------------------------------------------------------- many comparisons


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2]) == [0.2]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_holm_keeps_the_order_and_lies_between_no_correction_and_bonferroni(seed):
    p = np.random.default_rng(seed).uniform(size=12) ** 3
    adjusted = np.array(holm(p.tolist()))
    assert (adjusted >= p).all() and (adjusted <= np.minimum(12 * p, 1)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert adjusted.min() == pytest.approx(min(12 * p.min(), 1))
