"""The whole comparison: signs, intervals, p-values, their adjustment, and what it must say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from espnet_ee.comparison.comparing import LEVEL, TARGETS, Plan, compare
from espnet_ee.comparison.pairing import find_records, pair_up
from espnet_ee.comparison.testing import holm, permutation_p_values
from espnet_ee.errors import ConfigError

PLAN = Plan(resamples=500)


def compared(folders, plan=PLAN):
    return compare(pair_up(*map(find_records, folders)), plan)


def test_every_exit_and_policy_of_every_set_is_a_row(two):
    found = compared(two())
    names = [(row.set_name, row.setting.name) for row in found.tested]
    settings = ["exit 2", "exit 4", "exit 6", "entropy, +0.5", "confidence, +0.5"]
    assert names == [(name, s) for name in ("test_clean", "test_noisy") for s in settings]
    policies = ("layer", "entropy", "confidence")
    targets = len(TARGETS.cost_shares) + len(TARGETS.excesses)
    assert len(found.trade_offs) == 2 * len(policies) * targets
    assert list(found.methods.values()) == [["test_clean", "test_noisy"]]


def test_a_difference_is_the_second_less_the_first(two):
    first, second = two(share=0.3)
    one, other = compared((first, second)), compared((second, first))
    for row, mirrored in zip(one.tested[:3], other.tested[:3], strict=True):
        assert row.difference > 0.1
        assert row.difference == row.setting.second.wer - row.setting.first.wer
        assert mirrored.difference == pytest.approx(-row.difference)
        assert (mirrored.low, mirrored.high) == pytest.approx((-row.high, -row.low))
        assert mirrored.permutation_p == row.permutation_p
        assert mirrored.segment.z == pytest.approx(-row.segment.z)
        assert row.low < row.difference < row.high


def test_the_better_one_is_named(two):
    first, second = two(share=0.4, speakers=20)
    assert {row.better for row in compared((first, second)).tested[:3]} == {"A"}
    assert {row.better for row in compared((second, first)).tested[:3]} == {"B"}
    assert {row.better for row in compared(two(share=0.0, speakers=20)).tested} == {""}


def test_p_values_are_adjusted_over_the_whole_table(two):
    rows = compared(two(share=0.05, speakers=20)).tested
    adjusted = holm([row.permutation_p for row in rows])
    assert [row.adjusted_permutation_p for row in rows] == pytest.approx(adjusted)
    adjusted = holm([row.segment.p for row in rows])
    assert [row.adjusted_segment_p for row in rows] == pytest.approx(adjusted)


def test_rows_test_the_texts_of_their_exits(two):
    folders = two(share=0.1)
    pair = next(pair_up(*map(find_records, folders)))
    row = next(row for row in compared(folders).tested if row.setting.name == "entropy, +0.5")
    at = np.arange(40)
    difference = (
        pair.second.scored.words.errors[at, row.setting.second.picks]
        - pair.first.scored.words.errors[at, row.setting.first.picks]
    )
    [p] = permutation_p_values(difference[None], pair.units, resamples=500)
    assert row.permutation_p == p


def test_few_speakers_cannot_show_anything(two):
    found = compared(two(share=0.5, speakers=4))
    assert {row.better for row in found.tested} == {""}
    [note] = found.notes
    assert "No permutation p can be below 0.12" in note and "10 comparisons" in note
    assert compared(two(share=0.5, speakers=20), replace(PLAN, resamples=2000)).notes == ()


def test_without_a_dev_set_policies_have_trade_offs_only(two):
    found = compared(two(sets=("test",)))
    assert [row.setting.name for row in found.tested] == ["exit 2", "exit 4", "exit 6"]
    assert "entropy" in {row.policy for row in found.trade_offs}
    assert any("No tests of policies on test:" in note for note in found.notes)


def test_a_record_beside_itself(two):
    first, _ = two()
    with pytest.raises(ConfigError, match="one record of set test_clean"):
        compared((first, first))
    crossed = Plan(exits=((2, 6),), policies=(("entropy", "confidence"),), resamples=200)
    rows = compared((first, first), crossed).tested
    assert [row.setting.name for row in rows[:2]] == ["exit 2:6", "entropy:confidence, +0.5"]
    assert rows[0].difference < 0


@pytest.mark.parametrize("speakers", [1, None])
def test_one_speaker_or_none_leaves_utterances(two, speakers):
    folders = two(share=0.2, speakers=speakers or 1)
    found = compared(folders)
    assert all("utterances" in method for method in found.methods)
    assert any(row.adjusted_permutation_p < LEVEL for row in found.tested)


def test_one_utterance_shows_nothing(two):
    found = compared(two(share=0.5, utterances=1))
    assert {row.permutation_p for row in found.tested} == {1.0}
    assert all(row.better == "" for row in found.tested)
    for row in found.tested:
        assert (row.low, row.high) == pytest.approx((row.difference, row.difference))
