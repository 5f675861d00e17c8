"""Experiments: their tables come from their records, their configurations build."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
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


def test_kinds_are_compared_with_the_base_at_every_exit(tmp_path):
    kinds = module_of(ROOT / "kinds.py")
    titles = {"base": "the base", "other": "another"}
    for name, first in (("base", "one two"), ("other", "one")):
        record = table_record([[first, "one two three"]], ["one two three"])
        save(record, tmp_path / name / "seed0" / "test" / "record.jsonl.gz")
    text = "\n".join(kinds.kind_lines(tmp_path, ["test"], titles, "base"))
    assert "WER points over the base (95 %)" in text
    assert [
        line.split("|")[4].split()[0]
        for line in text.splitlines()
        if "p, Holm" not in line and line.startswith("|another|") and "to" in line
    ] == ["+33.3", "+0.0"]
    assert "over" not in "\n".join(kinds.kind_lines(tmp_path, ["test"], titles))


def test_units_of_pre_training_are_as_many_as_frames(tmp_path):
    """One label for each frame of HuBERT's CNN, whose strides make 320 samples."""
    pretrain = module_of(ROOT / "pretrain.py")
    samples = np.random.default_rng(0).normal(0, 0.1, 20_000)
    lines = []
    for number in range(2):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, samples[: 20_000 - 1_234 * number], 16_000)
        lines.append(f"utt{number} {path}\n")
    (tmp_path / "wav.scp").write_text("".join(lines))
    pretrain.targets([tmp_path / "wav.scp"])
    shapes = [line.split() for line in (tmp_path / "speech_shape").read_text().splitlines()]
    units = [line.split()[1:] for line in (tmp_path / "units").read_text().splitlines()]
    for (_, length), found in zip(shapes, units, strict=True):
        assert len(found) == (int(length) - 400) // 320 + 1
    known = (tmp_path / "tokens.txt").read_text().split()
    assert len(known) == pretrain.CLUSTERS + 1 and set(sum(units, [])) <= set(known)


@pytest.mark.parametrize("results", sorted(ROOT.glob("*/RESULTS.md")), ids=lambda p: p.parent.name)
def test_results_come_from_the_records(results):
    made = module_of(results.parent / "summarise.py").results(results.parent / "records")
    assert made == results.read_text(encoding="utf-8")


def test_a_learning_rate_is_taken_by_dev_alone(tmp_path):
    from_scratch = module_of(ROOT / "from_scratch" / "summarise.py")
    good, bad = table_record([["a"]], ["a"]), table_record([["b"]], ["a"])
    for rate, dev, test in (("high", bad, good), ("low", good, bad)):
        for name, record in (("train_dev", dev), ("test", test)):
            save(record, tmp_path / f"joint_{rate}" / "seed0" / name / "record.jsonl.gz")
    assert from_scratch.choose_rate(tmp_path, "joint") == "low"
    assert from_scratch.choose_rate(tmp_path, "single02") is None


def test_noise_has_a_row_for_every_level(tmp_path):
    noise = module_of(ROOT / "noise" / "summarise.py")
    layers = (2, 4, 6)
    for level, name in enumerate(["train_dev", *noise.SETS]):
        for seed in (0, 1):
            record = make_record(40, layers, seed=5 if level else 6, noise=max(1, level))
            save(record, tmp_path / "joint" / f"seed{seed}" / name / "record.jsonl.gz")
    text = noise.results(tmp_path)
    exits, seeds, overthinking, policies, calibration = 1, 2, 1, 2, 2
    for title in noise.SETS.values():
        rows = sum(f"|{title}|" in line for line in text.splitlines())
        assert rows == exits + seeds + overthinking + policies + calibration
    assert "nan" not in text


@pytest.mark.parametrize("policies", [True, False])
def test_pictures_are_drawn(tmp_path, policies):
    """Also of few words and of a policy that cannot be as cheap as asked."""
    noise = module_of(ROOT / "noise" / "summarise.py")
    for name in ["train_dev", *noise.SETS]:
        record = make_record(30, (2, 4), seed=6) if policies else table_record([["a", "b"]], ["a"])
        save(record, tmp_path / "joint" / "seed0" / name / "record.jsonl.gz")
    noise.draw_conditions(tmp_path, tmp_path / "figure.png", sets=noise.SETS, dev="train_dev")
    assert (tmp_path / "figure.png").stat().st_size > 10_000


def test_savings_of_time_are_over_those_promised(tmp_path):
    real_time = module_of(ROOT / "real_time" / "summarise.py")
    way = {"way": "entropy", "batch": 1, "threshold": 0.1, "mean_layer": 3.5, "promised": 0.6}
    times = {"reached": 0.7, "reached_min": 0.65, "reached_max": 0.8}
    text = json.dumps({"machine": {"device": "cpu", "threads": 1}, "ways": [{**way, **times}]})
    (tmp_path / "cpu.json").write_text(text)
    found = real_time.results(tmp_path)
    assert "|entropy|1|3.50|60.0|70.0|65.0 - 80.0|75 %|" in found
    assert "device cpu, threads 1." in found
