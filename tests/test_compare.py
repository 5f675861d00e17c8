"""The command `espnet-ee compare`: its formats say the same, its errors say what to do."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from espnet_ee.bin.main import main
from espnet_ee.comparison.comparing import Plan, compare
from espnet_ee.comparison.pairing import find_records, pair_up

ROOT = Path(__file__).resolve().parents[1]
AN4 = ROOT / "egs2" / "an4_ee" / "records"
FAMILY = ROOT / "experiments" / "model_family" / "records"
AN4_TEST = (
    AN4 / "exits_2_4_6_8_10_12/inference_asr_model_valid.cer_ctc.ave/test",
    AN4 / "aed/greedy/test",
)


def run(capsys, *words, code=0):
    assert main(["compare", *map(str, words)]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


def split_rows(lines):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def found():
    return compare(pair_up(*map(find_records, AN4_TEST)), Plan(resamples=300))


def test_the_table_has_every_row(capsys, found):
    text = run(capsys, *AN4_TEST, "--resamples", 300)
    for row in found.tested:
        [line] = [x for x in text.splitlines() if f" {row.setting.name}  " in x]
        assert f"{100 * row.difference:+.2f}" in line
    for heading in ("WER at equal cost", "Cost at equal WER", "over 10 speakers (test)"):
        assert heading in text
    assert f"Holm for all {len(found.tested)} rows" in " ".join(text.split())


def test_markdown_has_the_cells_of_the_table(capsys):
    options = (*AN4_TEST, "--resamples", 300)
    plain = run(capsys, *options).splitlines()
    lines = run(capsys, *options, "--format", "markdown").splitlines()
    rows = split_rows([x for x in lines if x.startswith("|") and "---" not in x])
    for row in rows:
        assert " ".join(cell for cell in row if cell) in {" ".join(line.split()) for line in plain}


def test_csv_and_json_have_the_numbers(capsys, found):
    options = (*AN4_TEST, "--resamples", 300, "--format")
    table = list(csv.DictReader(io.StringIO(run(capsys, *options, "csv"))))
    tests = [row for row in table if row["table"] == "test"]
    assert len(table) == len(found.tested) + len(found.trade_offs)
    said = json.loads(run(capsys, *options, "json"))
    assert said["comparisons"] == len(found.tested) and said["resamples"] == 300
    for row, line, item in zip(found.tested, tests, said["tests"], strict=True):
        assert float(line["difference"]) == item["difference"] == row.difference
        assert float(line["adjusted_permutation_p"]) == row.adjusted_permutation_p
        assert item["setting"] == line["setting"] == row.setting.name
        assert int(line["segments"]) == item["segments"] == row.segment.segments
    for row, item in zip(found.trade_offs, said["trade_offs"], strict=True):
        assert (item["policy"], item["equal"]) == (row.policy, row.trade_off.equal)
        assert item["low"] == row.trade_off.low
    assert {row["table"] for row in table} == {"test", "wer_at_equal_cost", "cost_at_equal_wer"}


def test_what_is_out_of_reach_is_empty_and_null(capsys):
    options = (AN4_TEST[0], AN4 / "exit_12", "--resamples", 100)
    said = json.loads(run(capsys, *options, "--format", "json"))
    unknown = [item for item in said["trade_offs"] if item["second"] is None]
    assert unknown and all(item["difference"] is item["low"] is None for item in unknown)
    rows = list(csv.DictReader(io.StringIO(run(capsys, *options, "--format", "csv"))))
    assert sum(row["second"] == "" for row in rows) == len(unknown)
    assert "nan" not in run(capsys, *options).lower()


def test_seeds_of_trainings_are_tags(capsys):
    text = run(capsys, FAMILY / "ctc", FAMILY / "aed", "--resamples", 200, "--exits", 6)
    tested = [line.split()[:3] for line in text.splitlines() if "  exit 6  " in line]
    seeds = [f"seed{seed}/{name}" for seed in range(3) for name in ("test_clean", "test_noisy")]
    assert tested == [[name, "exit", "6"] for name in seeds]
    assert text.count("No tests of policies") == 1


def test_the_same_seed_gives_the_same_file(capsys, tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        target = tmp_path / name
        assert run(capsys, *AN4_TEST, "--seed", seed, "--resamples", 200, "--output", target) == ""
    one, two, three = ((tmp_path / name).read_text() for name in ("one", "two", "three"))
    assert one == two != three


def test_other_exits_and_policies_of_one_record(capsys):
    text = run(
        capsys,
        *(AN4_TEST[0], AN4_TEST[0], "--exits", "2:12", "--policies", "entropy:patience"),
        *("--max-excess-wer", "0", "1", "--target-cost", "0.65", "--resamples", 200),
    )
    for setting in ("exit 2:12", "entropy:patience, +0", "+1", "entropy:patience, 65 %"):
        assert setting in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((AN4_TEST[0], AN4_TEST[0]), "Both systems are one record"),
        ((AN4_TEST[0], AN4_TEST[1].parent / "train_dev"), "hold different utterances"),
        ((AN4 / "aed", AN4_TEST[0]), "decoded in several ways"),
        ((AN4_TEST[0], AN4 / "absent"), "No record at"),
        ((AN4_TEST[0], ROOT / "README.md"), "not gzip"),
        ((*AN4_TEST, "--policies", "entropie"), "did you mean entropy?"),
        ((*AN4_TEST, "--exits", "3"), "no exit after this layer"),
        ((*AN4_TEST, "--dev", "dev_93"), "not decoded by"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_one_clear_error(capsys, words, expected):
    said = run(capsys, *words, code=1)
    assert expected in said and "Traceback" not in said


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--exits", "0"), ("--exits", "2:"), ("--exits", "two"), ("--target-cost", "1.5")),
        *(
            ("--max-excess-wer", "-1"),
            ("--resamples", "99"),
            ("--policies", ":entropy"),
            ("--policies", ""),
            ("--seed", "-1"),
        ),
    ],
)
def test_impossible_options_are_refused(capsys, option, value):
    with pytest.raises(SystemExit) as end:
        main(["compare", *map(str, AN4_TEST), option, value])
    assert end.value.code == 2
    assert option in capsys.readouterr().err


def test_no_dev_set_is_said(capsys, tmp_path):
    for name, source in zip(("a", "b"), AN4_TEST, strict=True):
        shutil.copytree(source, tmp_path / name / "test")
    text = run(capsys, tmp_path / "a", tmp_path / "b", "--resamples", 100)
    assert "No tests of policies on test:" in text and "entropy, +0.5" not in text


def test_one_record_beside_itself_has_the_rows_asked_for(capsys):
    record = ROOT / "egs2/an4_ee/records/exits_2_4_6_8_10_12"
    record = record / "inference_asr_model_valid.cer_ctc.ave" / "test"
    words = ["compare", str(record), str(record), "--format", "json", "--resamples", "100"]
    assert main([*words, "--exits", "4:6", "4:4"]) == 0
    assert [row["setting"] for row in json.loads(capsys.readouterr().out)["tests"]] == ["exit 4:6"]
