"""Trainings of several seeds: means, intervals, and differences of the same utterances."""

import pytest
from record_factory import make_record, save, table_record

from espnet_ee.errors import DataError
from espnet_ee.report.seeds import difference, differences_table, load_seeds


def put(record, folder, kind, seed, set_name="test"):
    save(record, folder / kind / f"seed{seed}" / set_name / "record.jsonl.gz")


@pytest.fixture
def records(tmp_path):
    """Two kinds: the second has one error more at exit 1 and one less at exit 2, in each seed."""
    for seed in (0, 1):
        put(table_record([["a b", "a x"], ["c d", "c d"]], ["a b", "c d"]), tmp_path, "one", seed)
        put(table_record([["a x", "a b"], ["c d", "c d"]], ["a b", "c d"]), tmp_path, "two", seed)
    put(table_record([["x x", "x x"], ["x x", "x x"]], ["a b", "c d"]), tmp_path, "one", 7)
    return tmp_path


def test_a_difference_is_over_the_common_seeds(records):
    one, two = (load_seeds(records, kind, "test") for kind in ("one", "two"))
    assert one.seeds == (0, 1, 7)
    first, second = (difference(one, two, layer, layer) for layer in (1, 2))
    assert first.seeds == second.seeds == (0, 1)
    assert (first.points, second.points) == (-0.25, 0.25)
    assert difference(two, one, 1, 1).points == 0.25
    assert first.low <= first.points <= first.high


def test_exits_of_different_layers_can_be_compared(records):
    one, two = (load_seeds(records, kind, "test") for kind in ("one", "two"))
    assert difference(one, two, 1, 2).points == 0.0
    assert difference(one, two, 1, 2).p == 1.0


def test_p_values_are_adjusted_over_the_table(records):
    one, two = (load_seeds(records, kind, "test") for kind in ("one", "two"))
    found = [("one", layer, difference(one, two, layer, layer)) for layer in (1, 2)]
    rows = differences_table(found, ("kind", "points"))
    alone = differences_table(found[:1], ("kind", "points"))
    assert len(rows) == 4
    p, p_alone = (float(table[2].split("|")[-2]) for table in (rows, alone))
    assert p == min(1.0, 2 * p_alone)


def test_nothing_in_common_is_an_error(records, tmp_path):
    one = load_seeds(records, "one", "test")
    put(make_record(5, (1, 2)), records, "other", 0)
    with pytest.raises(DataError, match="different utterances"):
        difference(one, load_seeds(records, "other", "test"), 1, 1)
    with pytest.raises(DataError, match="no seed in common"):
        difference(one, load_seeds(records, "none", "test"), 1, 1)
