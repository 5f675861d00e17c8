"""Law: systems that are alike are told apart in at most 5 % of sets, others far more often.

The exception, pinned: the test over segments takes segments for independent. Where systems suit
different speakers, the segments of a speaker lean to one side together, and it cries wolf.
"""

from __future__ import annotations

import numpy as np
import pytest
from simulated_sets import RATES, Simulation

from espnet_ee.comparison.alignment import Slots
from espnet_ee.comparison.testing import (
    holm,
    permutation_p_values,
    segment_differences,
    segment_test,
)
from espnet_ee.statistics import units_of

SETS = 600
LEVEL = 0.05
MOST = LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / SETS)  # 7.7 %
ALIKE = (0.11, 0.11)
RESAMPLES = 999


def slots_of(lengths: np.ndarray) -> Slots:
    return Slots.of([" ".join(["W"] * length) for length in lengths.tolist()])


def words_of(simulation: Simulation, speakers: int, seed: int):
    """Errors of both systems by slot ``(2, S)``, all substitutions, and the speakers."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 15, speakers * 10)
    rates = simulation.speaker_rates(speakers, rng).repeat(10, axis=1)
    slots = slots_of(lengths)
    wrong = rng.random((2, len(slots.utterance))) < rates[:, slots.utterance]
    names = [f"s{speaker:03d}" for speaker in range(speakers) for _ in range(10)]
    return wrong * slots.is_word, slots, names


def shares_below(simulation: Simulation, speakers: int) -> tuple[float, float]:
    """How often p is below the level: of permutations of speakers, of segments."""
    below = np.zeros(2)
    for seed in range(SETS):
        errors, slots, names = words_of(simulation, speakers, seed)
        difference = np.bincount(slots.utterance, errors[1] - errors[0]).astype(np.int64)
        [p] = permutation_p_values(difference[None], units_of(names), seed, RESAMPLES)
        segments = segment_test(segment_differences(slots, errors[0], errors[1]))
        below += [p < LEVEL, segments.p < LEVEL]
    return tuple(below / SETS)


@pytest.mark.parametrize("speakers", [8, 20])
def test_both_hold_their_level_where_systems_suit_the_same_speakers(speakers):
    permutation, segment = shares_below(Simulation(ALIKE, taste=0.0), speakers)
    assert permutation <= MOST and segment <= MOST
    assert segment >= 0.02 and permutation >= 0.02  # and do not sleep


@pytest.mark.parametrize("speakers", [8, 20])
def test_permutations_hold_it_where_systems_suit_different_speakers_and_segments_do_not(speakers):
    permutation, segment = shares_below(Simulation(ALIKE, taste=0.5), speakers)
    assert permutation <= MOST
    assert segment > 0.15  # the pinned exception


def test_a_real_difference_is_found():
    permutation, segment = shares_below(Simulation((0.10, 0.14), taste=0.1), 20)
    assert permutation > 0.8 and segment > 0.8


def test_more_speakers_find_smaller_differences():
    few, _ = shares_below(Simulation(RATES, taste=0.1), 10)
    many, _ = shares_below(Simulation(RATES, taste=0.1), 40)
    assert many > few + 0.2


def test_one_false_alarm_among_many_comparisons_is_as_rare():
    """Eight pairs of systems that are alike, one table: without adjustment most tables have one."""
    simulation, alarms, raw = Simulation(ALIKE, taste=0.5), 0, 0
    tables = SETS // 2
    for table in range(tables):
        differences = []
        for pair in range(8):
            errors, _, names = simulation.draw(20, 8 * table + pair)
            differences.append(errors[1] - errors[0])
        p = [
            float(permutation_p_values(row[None], units_of(names), table, RESAMPLES)[0])
            for row in differences
        ]
        alarms += min(holm(p)) < LEVEL
        raw += min(p) < LEVEL
    assert alarms / tables <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / tables)
    assert raw / tables > 0.2
