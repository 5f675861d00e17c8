"""Settings: exits of one depth, policies with thresholds of each system's own development set."""

from __future__ import annotations

from dataclasses import replace

import pytest
from record_factory import save

from espnet_ee.comparison.pairing import find_records, pair_up
from espnet_ee.comparison.settings import exit_settings, policy_pairs, policy_settings
from espnet_ee.errors import ConfigError
from espnet_ee.records import Record, read_record
from espnet_ee.rules.selection import within_cost, within_excess


@pytest.fixture
def pair(two):
    first, second = two(sets=("dev", "test"))
    return next(pair_up(find_records(first), find_records(second)))


@pytest.fixture
def other_depths(two):
    """B has exits at other layers."""
    first, second = two(sets=("dev", "test"))
    for name in ("dev", "test"):
        path = second / "decode" / name / "record.jsonl.gz"
        record = read_record(path)
        header = replace(record.header, exits=(2, 5, 8), num_layers=8)
        dearer = (
            replace(u, body_gflops=tuple(1.3 * cost for cost in u.body_gflops))
            for u in record.utterances
        )
        save(Record(header, tuple(dearer)), path)
    return next(pair_up(find_records(first), find_records(second)))


def test_exits_of_one_depth(pair):
    settings = exit_settings(pair)
    assert [setting.name for setting in settings] == ["exit 2", "exit 4", "exit 6"]
    errors = pair.second.scored.words.errors.sum(axis=0) / pair.second.scored.words.lengths.sum()
    assert [setting.second.wer for setting in settings] == pytest.approx(errors.tolist())


def test_exits_that_one_lacks(other_depths):
    assert [setting.name for setting in exit_settings(other_depths)] == ["exit 2", "exit 6:8"]
    [setting] = exit_settings(other_depths, [(4, 5)])
    assert (setting.name, setting.first.threshold, setting.second.threshold) == ("exit 4:5", 4, 5)
    with pytest.raises(ConfigError, match="second system has no exit") as error:
        exit_settings(other_depths, [(2, 2), (4, 4)])
    assert "2, 5, 8" in str(error.value)


def test_policies_of_both(pair):
    assert policy_pairs(pair) == [("entropy", "entropy"), ("confidence", "confidence")]
    wanted = [("entropy", "confidence"), ("layer", "layer")]
    assert policy_pairs(pair, wanted) == wanted
    with pytest.raises(ConfigError, match="first system has no scores") as error:
        policy_pairs(pair, [("entropie", "entropy")])
    assert "did you mean entropy?" in str(error.value)
    with pytest.raises(ConfigError, match="second system has no scores"):
        policy_pairs(pair, [("entropy", "nonsense")])


def test_thresholds_are_of_each_systems_own_dev_set(pair):
    [setting], notes = policy_settings(pair, [("entropy", "confidence")], [0.01])
    assert setting.name == "entropy:confidence, +1" and notes == []
    assert (
        setting.first.threshold == within_excess(pair.first.dev.scored, "entropy", 0.01).threshold
    )
    assert (
        setting.second.threshold
        == within_excess(pair.second.dev.scored, "confidence", 0.01).threshold
    )


def test_costs_are_shares_of_the_first_systems_last_exit(other_depths):
    [setting], _ = policy_settings(other_depths, [("entropy", "entropy")], (), [0.8])
    one, two = other_depths.first.dev.scored, other_depths.second.dev.scored
    costs = [(d.body_gflops + d.head_gflops)[:, -1].sum() / d.seconds.sum() for d in (one, two)]
    assert setting.first.threshold == within_cost(one, "entropy", 0.8).threshold
    own = within_cost(two, "entropy", 0.8 * costs[0] / costs[1])
    assert setting.second.threshold == own.threshold
    assert own.gflops_per_second <= 0.8 * costs[0]


def test_who_is_never_that_dear_takes_all_it_can(other_depths):
    swapped = replace(other_depths, first=other_depths.second, second=other_depths.first)
    [setting], _ = policy_settings(swapped, [("layer", "layer")], (), [1.0])
    assert (setting.first.threshold, setting.second.threshold) == (8.0, 6.0)


def test_what_is_never_that_cheap_is_named(pair):
    settings, [note] = policy_settings(pair, [("entropy", "entropy")], [0.0], [0.01])
    assert [setting.name for setting in settings] == ["entropy, +0"]
    assert note == "test, entropy, 1 %, A: No threshold of entropy is as cheap as that on dev."
