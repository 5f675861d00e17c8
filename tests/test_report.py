"""The report: chosen thresholds, ESPnet's tables, provenance, and the two commands."""

import argparse
import csv
import json
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from itertools import dropwhile, takewhile

import numpy as np
import pytest
from record_factory import make_record, save, table_record

from espnet_ee.baselines import fixed_exits
from espnet_ee.bin import merge_records, report, sweep
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.records import read_record
from espnet_ee.report import provenance
from espnet_ee.report.choice import EXCESS_TARGETS, choose, worth_drawing
from espnet_ee.report.experiment import load_experiment
from espnet_ee.report.results import results_text
from espnet_ee.rules.selection import within_excess
from espnet_ee.scored_set import score_set

SETS = {"dev": 1.0, "test_clean": 1.0, "test_noisy": 2.0}


def run(module, *words):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return module.run(parser.parse_args([str(word) for word in words]))


def make_experiment(folder, exits=(2, 4, 6), sets=SETS):
    for seed, (name, noise) in enumerate(sets.items()):
        record = make_record(30, exits, seed=seed, noise=noise, set_name=name)
        save(record, folder / "decode" / name / "record.jsonl.gz")
    return folder


@pytest.fixture
def experiment(tmp_path):
    return make_experiment(tmp_path / "exp" / "asr_toy")


def text_of(folder, compared=()):
    return results_text(
        load_experiment(folder),
        compared,
        command="espnet-ee report EXP",
        figure="figure.png",
        seed=0,
        now=datetime(2026, 1, 2, 3, 4, 5),
    )


# ------------------------------------------------------------------------------- choice


@pytest.mark.parametrize("policy", ["layer", "entropy", "confidence"])
@pytest.mark.parametrize("excess", EXCESS_TARGETS)
def test_the_chosen_threshold_meets_its_target_where_it_was_chosen(policy, excess):
    scored = score_set(make_record(100, seed=3))
    point = within_excess(scored, policy, excess)
    assert point.wer <= fixed_exits(scored)[-1].wer + excess + 1e-9


def test_a_looser_target_is_never_dearer():
    dev, test = (score_set(make_record(100, seed=seed)) for seed in (1, 2))
    costs = [choice.chosen.gflops_per_second for choice in choose(dev, test, "entropy")]
    assert costs == sorted(costs, reverse=True)


def test_the_threshold_of_dev_is_replayed_on_test():
    dev, test = (score_set(make_record(50, seed=seed)) for seed in (1, 2))
    for choice in choose(dev, test, "entropy"):
        assert choice.result.threshold == choice.chosen.threshold
        assert len(choice.result.picks) == 50


# ------------------------------------------------------------------------------- tables


def with_policies(scored, names, rng):
    """``scored`` with scores that say nothing, but ``f``, which knows the errors."""
    unit = scored.header.policies["entropy"]
    scores = {name: rng.random(scored.words.errors.shape) for name in names}
    scores["f"] = -scored.words.errors + 0.01 * scores["f"]
    header = replace(scored.header, policies=dict.fromkeys(names, unit))
    return replace(scored, header=header, scores={**scored.scores, **scores})


def test_a_figure_has_the_best_policies_where_they_are_many():
    scored = with_policies(score_set(make_record(60)), "abcdef", np.random.default_rng(0))
    assert worth_drawing(scored, most=6) == tuple("abcdef")
    drawn = worth_drawing(scored, most=3)
    assert len(drawn) == 3 and drawn[-1] == "f" and list(drawn) == sorted(drawn)
    assert worth_drawing(scored, most=1) == ("f",)


def rows_of(text, start):
    lines = dropwhile(lambda line: not line.startswith("|"), text.split(start)[1].splitlines())
    table = takewhile(lambda line: line.startswith("|"), lines)
    return [line.removeprefix("|").removesuffix("|").split("|") for line in table]


@pytest.mark.parametrize(("title", "unit"), [("### WER", "words"), ("### CER", "characters")])
def test_tables_are_espnets_with_exit_columns(experiment, title, unit):
    header, _, *rows = rows_of(text_of(experiment), title + "\n")
    assert header[:9] == ["dataset", "Snt", "Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err"]
    assert [row[0] for row in rows[:3]] == [f"decode_exit0{layer}/dev" for layer in (2, 4, 6)]
    assert len(rows) == 9
    counts = getattr(load_experiment(experiment)[0].scored, unit)
    total, errors = counts.lengths.sum(), counts.errors[:, 0]
    assert rows[0][1:3] == ["30", str(total)]
    assert rows[0][7:9] == [f"{100 * errors.sum() / total:.1f}", f"{100 * (errors > 0).mean():.1f}"]


def test_shares_of_a_row_add_up(experiment):
    _, _, *rows = rows_of(text_of(experiment), "### WER\n")
    for row in rows:
        correct, substituted, deleted, inserted, wrong = map(float, row[3:8])
        assert correct + substituted + deleted == pytest.approx(100, abs=0.16)
        assert substituted + deleted + inserted == pytest.approx(wrong, abs=0.21)


def test_another_experiment_has_its_own_rows(experiment, tmp_path):
    other = load_experiment(make_experiment(tmp_path / "exp" / "single", exits=(6,)))
    text = text_of(experiment, other)
    assert "|single/decode_exit06/test_clean|30|" in text
    assert "|decode_exit06/test_clean|30|" in text


def test_policies_stand_beside_the_baselines(experiment):
    header, _, *rows = rows_of(text_of(experiment), "Units: entropy in -nats/frame")
    assert header[0] == "policy" and header[-3:] == ["% at 2", "% at 4", "% at 6"]
    names = [row[0] for row in rows]
    assert names[0] == "always the last exit" and names[-1] == "safe oracle"
    assert set(names[1:-1]) == {"layer", "entropy", "confidence"}
    assert rows[0][header.index("over last")] == "+0.00"
    assert all(sum(map(int, row[-3:])) in (99, 100, 101) for row in rows)


def test_the_text_says_where_thresholds_were_chosen(experiment, tmp_path):
    assert "Thresholds were chosen on dev." in text_of(experiment)
    assert "#### decode/dev" not in text_of(experiment)
    no_dev = make_experiment(tmp_path / "exp" / "b", sets={"test": 1.0})
    assert "chosen on this very set, for want of a dev set" in text_of(no_dev)
    kaldi_style = make_experiment(tmp_path / "exp" / "c", sets={"test": 1.0, "train_dev": 1.0})
    assert "Thresholds were chosen on train_dev." in text_of(kaldi_style)


def test_the_dev_set_that_is_named_beats_the_look_of_names(tmp_path):
    folder = make_experiment(tmp_path / "exp" / "d", sets={"held_out": 1.0, "test_dev_93": 1.0})
    run(report, folder, "--dev", "held_out")
    text = (folder / "RESULTS.md").read_text()
    assert "Thresholds were chosen on held_out." in text
    assert "--dev held_out" in text
    run(report, folder, "--dev", "not_decoded")
    assert "for want of a dev set" in (folder / "RESULTS.md").read_text()


def test_a_dev_set_of_another_checkpoint_is_refused(experiment):
    record = make_record(10, set_name="dev", checkpoint_sha256="f" * 64)
    save(record, experiment / "decode" / "dev" / "record.jsonl.gz")
    with pytest.raises(DataError, match="test_clean and dev were decoded by different models"):
        text_of(experiment)


def test_a_single_exit_has_no_policies(tmp_path):
    text = text_of(make_experiment(tmp_path / "single", exits=(6,)))
    assert "### Policies" not in text and "decode_exit06/dev" in text


def test_the_text_says_when_speakers_are_unknown(tmp_path):
    record = table_record([["a", "b"], ["b", "b"]], ["a", "b"])
    save(record, tmp_path / "e" / "decode" / "test" / "record.jsonl.gz")
    assert "percentiles over 2 utterances, as fewer than 2 speakers are known" in text_of(
        tmp_path / "e"
    )


# --------------------------------------------------------------------------- provenance


def test_the_header_holds_versions_checkpoint_and_command(experiment):
    text = text_of(experiment)
    for expected in (
        "espnet-ee report EXP",
        "- date: `Fri Jan 02 03:04:05 2026`",
        "- python version: `3.11.2`",
        "- espnet version: `espnet 202511`",
        "- pytorch version: `pytorch 2.11.0`",
        "- Git hash: `",
        "sha256 `0123456789abcdef",
        "parameters: 1,300,000; exits after layers 2, 4, 6 of 6",
        "decoding: greedy CTC; seed: 0, threads: 1",
    ):
        assert expected in text


def test_outside_a_git_checkout_nothing_fails(experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert "- Git hash: `none, made outside a git checkout`" in text_of(experiment)


def test_without_git_nothing_fails(experiment, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance._git("rev-parse", "HEAD") is None


# ----------------------------------------------------------------------------- commands


def test_report_writes_the_table_and_a_png(experiment, capsys):
    assert run(report, experiment) == 0
    printed = capsys.readouterr().out
    assert "wer_vs_cost.png" in printed and "RESULTS.md" in printed and "test_noisy" in printed
    assert (experiment / "wer_vs_cost.png").read_bytes().startswith(b"\x89PNG")
    assert f"espnet-ee report {experiment}\n" in (experiment / "RESULTS.md").read_text()
    assert not list(experiment.glob("*.tmp"))


def test_report_holds_the_command_that_makes_it_again(experiment, tmp_path):
    other = make_experiment(tmp_path / "exp" / "other", exits=(6,))
    words = [experiment, "--output", tmp_path / "out", "--compare", f"one exit={other}"]
    run(report, *words, "--seed", "3")
    text = (tmp_path / "out" / "RESULTS.md").read_text()
    assert f"--output {tmp_path}/out --compare 'one exit={other}' --seed 3\n" in text
    assert "|one exit/decode_exit06/dev|" in text


def test_an_experiment_decoded_in_two_ways_is_drawn_twice(experiment, tmp_path, monkeypatch):
    other = make_experiment(tmp_path / "exp" / "other", sets={"test_clean": 1.0})
    shutil.copytree(other / "decode", other / "by_attention")
    drawn = []
    monkeypatch.setattr(report, "draw", lambda panels, _path: drawn.extend(panels))
    run(report, experiment, "--compare", other)
    (panel,) = (panel for panel in drawn if panel.compared)
    assert set(panel.compared) == {"other/by_attention", "other/decode"}


def test_report_names_the_expected_place(tmp_path):
    with pytest.raises(DataError, match=r"No record below(.|\n)*<inference_tag>/<set>/record"):
        run(report, tmp_path)


def test_report_refuses_two_experiments_of_one_name(experiment):
    with pytest.raises(ConfigError, match=r"same name(.|\n)*--compare NAME=EXP"):
        run(report, experiment, "--compare", experiment)


@pytest.fixture
def record(tmp_path):
    return save(make_record(40), tmp_path / "record.jsonl.gz")


def test_sweep_prints_fixed_exits_policies_and_oracle(record, capsys):
    assert run(sweep, record, "--points", 5) == 0
    printed = capsys.readouterr().out
    counts = {name: len(re.findall(rf"^test +{name} ", printed, re.M)) for name in
              ("layer", "entropy", "confidence", "safe oracle")}  # fmt: skip
    assert counts == {"layer": 3, "entropy": 5, "confidence": 5, "safe oracle": 1}
    assert "percentiles over 5 speakers" in printed and "overthinking" in printed


def test_csv_and_json_agree(record, tmp_path):
    for form in ("csv", "json"):
        run(sweep, record, "--points", 6, "--format", form, "--output", tmp_path / form)
    rows = list(csv.DictReader((tmp_path / "csv").read_text().splitlines()))
    points = json.loads((tmp_path / "json").read_text())[0]["points"]
    assert len(rows) == len(points)
    for row, point in zip(rows, points, strict=True):
        assert float(row["wer"]) == point["wer"]
        assert row["threshold"] == ("" if point["threshold"] is None else str(point["threshold"]))
        assert row["histogram"].split() == [str(count) for count in point["histogram"]]


def test_given_thresholds_are_replayed(record, capsys):
    run(sweep, record, "--policy", "entropy", "--thresholds=-inf,-0.25,inf", "--format", "csv")
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [r["threshold"] for r in rows if r["policy"] == "entropy"] == ["-inf", "-0.25", "inf"]


def test_given_references_and_speakers_are_used(record, tmp_path, capsys):
    utterances = read_record(record).utterances
    (tmp_path / "text").write_text("".join(f"{u.utt_id} {u.exits[-1].text}\n" for u in utterances))
    (tmp_path / "utt2spk").write_text("".join(f"{u.utt_id} {u.utt_id}\n" for u in utterances))
    run(sweep, record, "--ref", tmp_path / "text", "--utt2spk", tmp_path / "utt2spk")
    printed = capsys.readouterr().out
    assert "percentiles over 40 speakers" in printed
    assert re.search(r"^test +layer +6 +0\.00 ", printed, re.M)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--policy", "hunch"], r"got:  hunch(.|\n)*want: layer, entropy, confidence"),
        (["--thresholds", "0.5"], r"unit of one policy(.|\n)*fix:  name one policy"),
        (["--policy", "entropy", "--thresholds", "low"], r"not numbers(.|\n)*got:  low"),
        (["--policy", "entropy", "--thresholds", "nan"], "cannot be NaN"),
        (["--points", "1"], "Too few thresholds"),
    ],
)
def test_wrong_options_are_explained(record, words, message):
    with pytest.raises(ConfigError, match=message):
        run(sweep, record, *words)


def test_an_undecoded_reference_is_refused(record, tmp_path):
    lines = [f"{u.utt_id} {u.ref}\n" for u in read_record(record).utterances]
    (tmp_path / "text").write_text("".join([*lines, "lost HELLO\n"]))
    with pytest.raises(DataError, match=r"in no record(.|\n)*lost"):
        run(sweep, record, "--ref", tmp_path / "text")


def test_two_records_of_one_set_go_by_their_paths(record, tmp_path, capsys):
    other = save(make_record(40, seed=9), tmp_path / "other.gz")
    run(sweep, record, other, "--policy", "entropy", "--points", 2, "--format", "csv")
    rows = csv.DictReader(capsys.readouterr().out.splitlines())
    assert {row["set"] for row in rows} == {str(record), str(other)}
    with pytest.raises(DataError, match="given twice"):
        run(sweep, record, record)


def test_sweep_draws(record, tmp_path):
    run(sweep, record, "--figure", tmp_path / "a.png", "--output", tmp_path / "table")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_merge_records_says_what_it_joined(tmp_path, capsys):
    record = make_record(6)
    parts = []
    for part in range(2):
        half = type(record)(record.header, record.utterances[part::2])
        parts.append(save(half, tmp_path / f"{part}.gz"))
    assert run(merge_records, "--output", tmp_path / "all.gz", *parts) == 0
    assert "6 utterances of 2 records" in capsys.readouterr().out
    assert len(read_record(tmp_path / "all.gz").utterances) == 6


def test_the_commands_need_no_torch(record):
    code = (
        "import sys; from espnet_ee.bin import report, sweep, merge_records; import argparse;"
        "p = argparse.ArgumentParser(); sweep.add_arguments(p);"
        f"sweep.run(p.parse_args([{str(record)!r}]));"
        "heavy = {'torch', 'torchaudio', 'espnet', 'espnet2', 'matplotlib'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_large_sweep_is_quick(monkeypatch):
    from espnet_ee.report.sweeps import run_sweep  # what runs after reading and scoring

    scored = score_set(make_record(300, exits=(2, 4, 6, 8, 10, 12), speakers=40))
    start = time.perf_counter()
    result = run_sweep("test", scored, ["entropy", "confidence"])
    assert len(result.points) == 6 + 2 * 50 + 1
    assert np.isfinite(result.intervals.low).all()
    assert time.perf_counter() - start < 2.0
