"""Experiments: their tables come from their records, their configurations build."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from record_factory import make_record, save, table_record

from espnet_ee.errors import DataError

ROOT = Path(__file__).resolve().parents[2] / "experiments"


def module_of(path: Path):
    name = f"{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def family():
    return module_of(ROOT / "model_family" / "summarise.py")


def put(record, folder: Path, name: str, seed: int) -> None:
    for set_name in ("test_clean", "test_noisy"):
        path = folder / name / f"seed{seed}" / set_name / "record.jsonl.gz"
        path.parent.mkdir(parents=True)
        save(record, path)


def test_a_cell_is_the_mean_over_seeds(family, tmp_path):
    reference = "one two three four"
    for seed, last in enumerate((reference, "one two")):
        put(table_record([["one", "one two", last]], [reference]), tmp_path, "ctc", seed)
    row = next(line for line in family.results(tmp_path).splitlines() if "|0, 1|" in line)
    assert row.split("|")[4:7] == ["75.0 (75.0 - 75.0)", "50.0 (50.0 - 50.0)", "25.0 (25.0 - 25.0)"]


def test_seeds_of_other_texts_do_not_mix(family, tmp_path):
    for seed in (0, 1):
        put(make_record(seed=seed), tmp_path, "ctc", seed)
    with pytest.raises(DataError, match="seeds of ctc on test_clean differ"):
        family.results(tmp_path)


def test_without_records(family, tmp_path):
    with pytest.raises(DataError, match="no records of test_clean"):
        family.results(tmp_path)


@pytest.mark.parametrize("results", sorted(ROOT.glob("*/RESULTS.md")), ids=lambda p: p.parent.name)
def test_results_come_from_the_records(results):
    made = module_of(results.parent / "summarise.py").results(results.parent / "records")
    assert made == results.read_text(encoding="utf-8")
