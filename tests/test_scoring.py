"""Scoring: counts add up, agree with jiwer, and silence is counted."""

import jiwer
import numpy as np
import pytest
from record_factory import make_record, table_record

from espnet_ee.errors import DataError
from espnet_ee.scoring import (
    check_covered,
    count_characters,
    count_words,
    references_of,
    speakers_of,
)


def texts(record):
    return [[exit_.text for exit_ in u.exits] for u in record.utterances]


@pytest.mark.parametrize("count", [count_words, count_characters])
@pytest.mark.parametrize("seed", range(3))
def test_edits_add_up_to_both_lengths(count, seed):
    record = make_record(30, seed=seed)
    references, hypotheses = references_of(record), texts(record)
    counts = count(references, hypotheses)
    measure = (lambda t: len(t.split())) if count is count_words else len
    kept = counts.hits + counts.substitutions
    assert (kept + counts.deletions == np.array([measure(r) for r in references])[:, None]).all()
    assert (kept + counts.insertions == [[measure(h) for h in row] for row in hypotheses]).all()
    assert (counts.lengths == [measure(r) for r in references]).all()


@pytest.mark.parametrize("exit_index", range(3))
def test_rates_are_those_of_jiwer(exit_index):
    record = make_record(50, seed=4)
    references = references_of(record)
    hypotheses = [row[exit_index] for row in texts(record)]
    words = count_words(references, texts(record))
    characters = count_characters(references, texts(record))
    wer = words.errors[:, exit_index].sum() / words.lengths.sum()
    cer = characters.errors[:, exit_index].sum() / characters.lengths.sum()
    assert wer == pytest.approx(jiwer.wer(references, hypotheses))
    assert cer == pytest.approx(jiwer.cer(references, hypotheses))


def test_known_edits():
    counts = count_words(["a b c d"], [["a x c", "a b c d e", "", "a b c d"]])
    assert counts.hits.tolist() == [[2, 4, 0, 4]]
    assert counts.substitutions.tolist() == [[1, 0, 0, 0]]
    assert counts.deletions.tolist() == [[1, 0, 4, 0]]
    assert counts.insertions.tolist() == [[0, 1, 0, 0]]


def test_an_empty_reference_counts_insertions():
    assert count_words(["", " "], [["", "a b"], ["a", ""]]).insertions.tolist() == [[0, 2], [1, 0]]
    counts = count_characters([""], [["a b"]])
    assert counts.insertions.tolist() == [[3]] and counts.lengths.tolist() == [0]


def test_runs_of_spaces_are_one_space():
    assert count_characters(["a  b"], [[" a b "]]).errors.tolist() == [[0]]


def test_the_case_of_letters_matters():
    assert count_words(["Hello"], [["hello"]]).errors.tolist() == [[1]]


def test_given_texts_override_the_record():
    record = table_record([["a"], ["b"]], ["a", "b"])
    assert references_of(record, {"utt0": "x", "utt1": "y"}) == ["x", "y"]
    assert speakers_of(record, {"utt0": "s", "utt1": "t"}) == ["s", "t"]


def test_a_missing_reference_is_an_error():
    record = table_record([["a"], ["b"]], ["a", "b"])
    with pytest.raises(DataError, match=r"1 utterances have no reference.(.|\n)*got:  utt1"):
        references_of(record, {"utt0": "a"})
    with pytest.raises(DataError, match=r"no reference.(.|\n)*--ref text"):
        references_of(table_record([["a"]], [None]))


def test_a_missing_speaker_is_an_error():
    with pytest.raises(DataError, match=r"no speaker in utt2spk.(.|\n)*got:  utt0"):
        speakers_of(table_record([["a"]], ["a"]), {})
    with pytest.raises(DataError, match=r"no speaker in utt2spk.(.|\n)*got:  utt0"):
        speakers_of(table_record([["a"]], ["a"]), {"utt0": ""})


def test_a_reference_that_was_not_decoded_is_an_error():
    record = table_record([["a"]], ["a"])
    check_covered([record], {"utt0": "a"}, "text")
    with pytest.raises(DataError, match=r"text: 1 utterances are in no record.(.|\n)*got:  lost"):
        check_covered([record], {"utt0": "a", "lost": "b"}, "text")
