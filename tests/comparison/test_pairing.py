"""Pairing: where records are found, which sets go together, and what is no pair."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
from record_factory import make_record, save

from espnet_ee.comparison.pairing import find_records, pair_up
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.records import Record, read_record


def pairs_of(first, second, dev=()):
    return list(pair_up(find_records(first), find_records(second), dev))


def names_of(first, second, dev=()):
    return [pair.name for pair in pairs_of(first, second, dev)]


def rewrite(path, change):
    """Change the utterances of a record in its place."""
    record = read_record(path)
    save(Record(record.header, tuple(change(list(record.utterances)))), path)


# ------------------------------------------------------------------------------- places


@pytest.mark.parametrize("below", ["", "decode"])
def test_sets_of_one_name_go_together_and_dev_is_for_thresholds(two, below):
    first, second = (folder / below for folder in two())
    pairs = pairs_of(first, second)
    assert [pair.name for pair in pairs] == ["test_clean", "test_noisy"]
    for pair in pairs:
        assert (
            pair.first.dev.scored.header.set_name == pair.second.dev.scored.header.set_name == "dev"
        )
        assert (pair.units.name, pair.units.count) == ("speakers", 5)


@pytest.mark.parametrize("below", ["decode/test_noisy", "decode/test_noisy/record.jsonl.gz"])
def test_one_set_finds_the_dev_set_beside_it(two, below):
    first, second = two()
    for names in (
        (first / below, second / below),
        (first, second / below),
        (first / below, second),
    ):
        [pair] = pairs_of(*names)
        assert pair.name == "test_noisy" and pair.first.dev is not None
        assert pair.second.dev.scored.header.set_name == "dev"


def test_records_anywhere_have_no_dev_set(two, tmp_path):
    first, second = two()
    moved = shutil.copy(first / "decode/test_clean/record.jsonl.gz", tmp_path / "mine.gz")
    for theirs in (second / "decode/test_clean", second):
        [pair] = pairs_of(moved, theirs)
        assert pair.name == "test_clean"
        assert pair.first.dev is None and pair.second.dev is not None


def test_dev_sets_that_are_named(two):
    first, second = two()
    [pair] = [p for p in pairs_of(first, second, ["test_clean"]) if p.name == "test_noisy"]
    assert pair.first.dev.scored.header.set_name == "test_clean"
    assert names_of(first, second, ["test_clean"]) == ["dev", "test_noisy"]
    with pytest.raises(ConfigError, match="not decoded by .*A"):
        pairs_of(first, second, ["test_dark"])


def test_dev_sets_alone_are_compared_without_thresholds(two):
    first, second = two(sets=("dev",))
    [pair] = pairs_of(first, second)
    assert pair.name == "dev" and pair.first.dev is pair.second.dev is None


def test_several_dev_sets_are_pooled(two):
    first, second = two(sets=("dev_clean", "dev_other", "test"))
    [pair] = pairs_of(first, second)
    assert len(pair.first.dev.scored.seconds) == 80


def test_tags_of_one_name_go_together(two):
    two(tag="greedy")
    first, second = two(tag="beam")
    assert names_of(first, second) == [
        f"{tag}/{name}" for tag in ("beam", "greedy") for name in ("test_clean", "test_noisy")
    ]
    assert names_of(first / "beam", second / "greedy") == ["test_clean", "test_noisy"]
    shutil.move(second / "greedy", second / "other")
    assert names_of(first, second) == ["test_clean", "test_noisy"]
    shutil.move(second / "beam", second / "another")
    with pytest.raises(DataError, match="decoded in several ways") as error:
        pairs_of(first, second)
    assert "beam, greedy; another, other" in str(error.value)


def test_no_set_in_common(two):
    first, second = two()
    for name in ("dev", "test_clean", "test_noisy"):
        shutil.move(second / "decode" / name, second / "decode" / f"{name}_b")
    with pytest.raises(DataError, match="No set was decoded by both"):
        pairs_of(first, second)
    clean = first / "decode" / "test_clean"
    assert names_of(clean, second / "decode" / "test_clean_b") == ["test_clean"]


def test_no_record_at_all(tmp_path):
    with pytest.raises(DataError, match="No record at .*absent"):
        find_records(tmp_path / "absent")
    notes = tmp_path / "notes.txt"
    notes.write_text("not a record")
    with pytest.raises(DataError, match="not gzip"):
        find_records(notes)


# ----------------------------------------------------------------------------- the rows


def test_the_second_takes_the_order_of_the_first(two):
    first, second = two()
    path = second / "decode/test_clean/record.jsonl.gz"
    [before] = pairs_of(first / "decode/test_clean", path)
    rewrite(path, lambda utterances: random.Random(1).sample(utterances, len(utterances)))
    [pair] = pairs_of(first / "decode/test_clean", path)
    assert pair.second.texts == before.second.texts
    assert (pair.second.scored.words.errors == before.second.scored.words.errors).all()


def test_other_utterances_are_refused(two):
    first, second = two()
    path = second / "decode/test_clean/record.jsonl.gz"
    rewrite(path, lambda utterances: utterances[1:])
    with pytest.raises(DataError, match="different utterances") as error:
        pairs_of(first, second)
    assert "1 only in" in str(error.value) and "spk00-00000" in str(error.value)
    with pytest.raises(DataError, match="different utterances"):
        pairs_of(second, first)


def test_other_references_are_refused(two):
    first, second = two()
    path = second / "decode/test_clean/record.jsonl.gz"
    rewrite(path, lambda us: [replace(us[0], ref=f"  {us[0].ref}".replace(" ", "  ")), *us[1:]])
    assert len(pairs_of(first, second)) == 2  # spaces do not count
    rewrite(path, lambda us: [*us[:3], replace(us[3], ref=us[3].ref + " MORE"), *us[4:]])
    with pytest.raises(DataError, match="different references") as error:
        pairs_of(first, second)
    assert "1 utterances: spk03-00003" in str(error.value)


def test_speakers_of_either_will_do_but_they_must_agree(two):
    first, second = two()
    path = second / "decode/test_clean/record.jsonl.gz"
    rewrite(path, lambda utterances: [replace(u, speaker=None) for u in utterances])
    for names in ((first, path), (path, first)):
        [pair] = pairs_of(*(name if name == path else name / "decode/test_clean" for name in names))
        assert pair.units.name == "speakers"
    rewrite(path, lambda utterances: [replace(u, speaker="me") for u in utterances])
    with pytest.raises(DataError, match="different speakers"):
        pairs_of(first, second)


def test_a_dev_set_of_another_model_is_refused(two):
    first, second = two()
    save(make_record(40, (2, 6), set_name="dev"), second / "decode/dev/record.jsonl.gz")
    with pytest.raises(DataError, match="decoded by different models"):
        pairs_of(first, second)


def test_slots_hold_the_errors_of_both(two):
    first, second = two(share=0.3)
    for pair in pairs_of(first, second):
        for system, errors in zip((pair.first, pair.second), pair.slot_errors, strict=True):
            sums = [np.bincount(pair.slots.utterance, column) for column in errors.T]
            assert (np.stack(sums, axis=1) == system.scored.words.errors).all()
