"""Our scorer against NIST's sclite and against jiwer, on every text of the recipes' records."""

from __future__ import annotations

import re
from pathlib import Path

import jiwer
import numpy as np
import pytest
from sctk import aligned, kinds_of, needs_sctk, totals

from espnet_ee.records import read_record
from espnet_ee.scored_set import score_set

ROOT = Path(__file__).resolve().parents[1]
RECORDS = sorted(ROOT.glob("egs2/*/records/**/record.jsonl.gz"))
SPACE = "▁"


def single_spaces(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def scored():
    """Of each record its references, the texts of each exit, and what we count in them."""
    found = []
    for path in RECORDS:
        record = read_record(path)
        ours = score_set(record)
        references = [single_spaces(u.ref) for u in record.utterances]
        for exit in range(len(record.header.exits)):
            texts = [single_spaces(u.exits[exit].text) for u in record.utterances]
            found.append((references, texts, exit, ours))
    return found


def test_both_recipes_have_records(scored):
    assert {path.relative_to(ROOT).parts[1] for path in RECORDS} == {"an4_ee", "mini_ee"}
    assert sum(len(texts) for _, texts, *_ in scored) == 13_610


@needs_sctk
def test_word_errors_of_every_text_are_sclites(scored, tmp_path):
    otherwise = 0
    for references, texts, exit, ours in scored:
        kinds = kinds_of(aligned(references, texts, tmp_path, "hyp"))
        counted = np.array([[path.count(kind) for kind in "CSDI"] for path in kinds])
        words = ours.words
        parts = (words.hits, words.substitutions, words.deletions, words.insertions)
        expected = np.stack([part[:, exit] for part in parts], axis=1)
        assert (counted[:, 1:].sum(axis=1) == expected[:, 1:].sum(axis=1)).all()
        otherwise += (counted != expected).any(axis=1).sum()
    # As many errors along another way: two substitutions, or a deletion and an insertion.
    assert otherwise <= 0.001 * 13_610


@needs_sctk
def test_word_error_rates_are_sclites_totals(scored, tmp_path):
    for references, texts, exit, ours in scored:
        found = totals(references, texts, tmp_path)
        errors, lengths = ours.words.errors[:, exit], ours.words.lengths
        assert (found["Snt"], found["Wrd"]) == (len(texts), lengths.sum())
        assert (found["Err"], found["S.Err"]) == (errors.sum(), (errors > 0).sum())


@needs_sctk
def test_character_errors_are_nearly_always_sclites(scored, tmp_path):
    different = 0
    for references, texts, exit, ours in scored:
        spelt = [
            [" ".join(text.replace(" ", SPACE)) for text in side] for side in (references, texts)
        ]
        kinds = kinds_of(aligned(*spelt, tmp_path, "hyp"))
        errors = np.array([len(path) - path.count("C") for path in kinds])
        assert (errors >= ours.characters.errors[:, exit]).all()
        different += (errors > ours.characters.errors[:, exit]).sum()
    # sclite weighs a substitution 4, a deletion or an insertion 3, and so may take more errors.
    assert different <= 5


def test_rates_are_jiwers_to_the_last_digit(scored):
    for references, texts, exit, ours in scored:
        for counts, rate in ((ours.words, jiwer.wer), (ours.characters, jiwer.cer)):
            assert counts.errors[:, exit].sum() / counts.lengths.sum() == rate(references, texts)


def test_continuous_integration_has_sclite():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"apt-get install .*\bsctk\b", script)
