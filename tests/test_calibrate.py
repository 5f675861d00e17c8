"""``espnet-ee calibrate``: rule files that other commands take, numbers that replay gives."""

from __future__ import annotations

import numpy as np
import pytest
from record_factory import make_record, save

from espnet_ee.bin.main import main
from espnet_ee.replay import replay
from espnet_ee.rules.applying import with_rule
from espnet_ee.rules.file import read_rule
from espnet_ee.rules.selection import cost_share
from espnet_ee.scored_set import score_set

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    record = make_record(200, speakers=10, seed=1)
    return record, str(save(record, tmp_path_factory.mktemp("dev") / "record.jsonl.gz"))


@pytest.mark.parametrize(
    "rule",
    [
        ("--policy", "entropy"),
        ("--policy", "entropy", "--map", "isotonic"),
        ("--policy", "confidence", "--map", "sigmoid"),
        ("--gate", "logistic"),
        ("--gate", "boosting", "--features", "entropy"),
        ("--gate", "excess"),
        ("--all-of", "entropy>=-0.2", "confidence>=0.9"),
        ("--any-of", "entropy>=-0.1", "confidence>=0.95"),
        ("--policy", "entropy", "--look-back", "confidence"),
    ],
    ids=" ".join,
)
def test_the_file_holds_what_was_promised(rule, dev, tmp_path, capsys):
    record, path = dev
    out = tmp_path / "rule.yaml"
    assert main(["calibrate", path, *rule, "--target-cost", "0.7", "--output", str(out)]) == 0
    chosen = read_rule(out)
    assert chosen.checkpoint_sha256 == record.header.checkpoint_sha256
    scored = with_rule(score_set(record), chosen.rule, look_back=chosen.look_back)
    point = replay(scored, chosen.rule.name, chosen.threshold, chosen.look_back)
    # Learned rules are fitted to all of it, their thresholds to speakers left out.
    assert cost_share(scored, point) == pytest.approx(0.7, abs=0.06)
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert float(printed["threshold"]) == chosen.threshold
    if "--gate" not in rule and "--map" not in rule:
        assert float(printed["WER %"]) == round(100 * point.wer, 2)
        assert float(printed["cost % of the last exit's"]) <= 70.0


def test_targets(dev, capsys):
    record, path = dev
    scored = score_set(record)
    found = {}
    for target in ("--max-wer=20", "--max-excess-wer=1", "--threshold=-0.25"):
        assert main(["calibrate", path, "--policy", "entropy", target]) == 0
        found[target] = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert float(found["--max-wer=20"]["WER %"]) <= 20
    excess = found["--max-excess-wer=1"]
    assert float(excess["WER %"]) <= float(excess["WER % of the last exit"]) + 1
    point = replay(scored, "entropy", -0.25)
    assert float(found["--threshold=-0.25"]["WER %"]) == round(100 * point.wer, 2)


def test_a_promise_and_its_failure(dev, tmp_path, capsys):
    _, path = dev
    words = ["calibrate", path, "--policy", "entropy", "--confidence", "0.9"]
    assert main([*words, "--max-excess-wer", "10", "--output", str(tmp_path / "r.yaml")]) == 0
    assert np.isfinite(read_rule(tmp_path / "r.yaml").threshold)
    assert "with 90 % confidence" in capsys.readouterr().out
    assert main([*words, "--max-excess-wer", "0.1", "--output", str(tmp_path / "r.yaml")]) == 0
    assert read_rule(tmp_path / "r.yaml").threshold == np.inf
    assert "nothing but the last exit can promise that" in capsys.readouterr().out


def test_a_promise_of_a_learned_rule_wants_other_data_to_learn_from(dev, tmp_path, capsys):
    _, path = dev
    record = make_record(150, speakers=10, seed=2, set_name="other")
    other = save(record, tmp_path / "other.jsonl.gz")
    words = ["calibrate", path, "--gate", "logistic", "--max-excess-wer", "10"]
    words += ["--confidence", "0.9"]
    assert main(words) == 1
    assert "--fit-on" in capsys.readouterr().err
    assert main([*words, "--fit-on", str(other)]) == 0
    assert "scores: of a rule fitted to" in capsys.readouterr().out


def test_a_diagram(dev, tmp_path):
    _, path = dev
    for rule in (("--policy", "confidence"), ("--gate", "logistic")):
        png = tmp_path / "reliability.png"
        assert main(["calibrate", path, *rule, "--diagram", str(png)]) == 0
        assert png.read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--policy", "entropy"), "one of --target-cost"),
        (("--policy", "entrop", "--max-wer", "9"), "lacks scores that a rule needs"),
        (("--policy", "entropy", "--max-wer", "0.01"), "No threshold of entropy reaches"),
        (("--policy", "entropy", "--target-cost", "0.01"), "as cheap as that"),
        (("--policy", "entropy", "--target-cost", "65"), "no share of the last exit's"),
        (("--all-of", "entropy>0.1", "--max-wer", "9"), "want: 'NAME>=X'"),
        (("--gate", "logistic", "--map", "sigmoid", "--max-wer", "9"), "--map goes with"),
        (("--policy", "entropy", "--features", "a", "--max-wer", "9"), "--features goes with"),
        (("--policy", "entropy", "--max-wer", "9", "--confidence", "0.9"), "--confidence goes"),
        (("--policy", "entropy", "--look-back", "x", "--max-wer", "9"), "lacks scores"),
        (("--policy", "entropy", "--diagram", "x.png"), "of probabilities"),
        (("--policy", "entropy", "--map", "temperature", "--max-wer", "9"), "are probabilities"),
        (("--policy", "entropy", "--max-excess-wer", "1", "--confidence", "2"), "below 1"),
    ],
)
def test_what_does_not_fit_is_refused(words, message, dev, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", dev[1], *words]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_sweep_replays_a_rule_file(dev, tmp_path, capsys):
    record, path = dev
    out = tmp_path / "rule.yaml"
    words = ["calibrate", path, "--policy", "entropy", "--look-back", "confidence"]
    assert main([*words, "--target-cost", "0.7", "--output", str(out)]) == 0
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert main(["sweep", path, "--rule", str(out)]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "rule: " in line]
    assert (
        "rule: entropy + look-back by confidence" in line and f"{record.header.set_name} " in line
    )
    assert f" {float(printed['WER %']):.2f} " in line
    other = save(make_record(checkpoint_sha256="ff" * 32), tmp_path / "other.jsonl.gz")
    assert main(["sweep", str(other), "--rule", str(out)]) == 1
    assert "another model" in capsys.readouterr().err


def test_where_nothing_can_be_written_it_says_so(dev, tmp_path, capsys):
    (tmp_path / "file").touch()
    words = ["calibrate", dev[1], "--policy", "entropy", "--target-cost", "0.7"]
    assert main([*words, "--output", str(tmp_path / "file/rule.yaml")]) == 1
    said = capsys.readouterr().err
    assert "Error: " in said and "file" in said and "Traceback" not in said


def test_no_utterance_counts_twice_and_none_is_fitted_to_and_chosen_on(dev, capsys):
    _, path = dev
    words = ["--policy", "entropy", "--max-excess-wer", "10", "--confidence", "0.9"]
    assert main(["calibrate", path, path, *words]) == 1
    assert "given twice" in capsys.readouterr().err
    assert main(["calibrate", path, "--gate", "logistic", "--fit-on", path, *words[2:]]) == 1
    assert "fitted to what its threshold is chosen on" in capsys.readouterr().err


def test_a_rule_is_fitted_to_the_same_model(dev, tmp_path, capsys):
    other = save(
        make_record(90, set_name="other", checkpoint_sha256="ff" * 32), tmp_path / "other.gz"
    )
    words = ["--gate", "logistic", "--fit-on", str(other), "--target-cost", "0.7"]
    assert main(["calibrate", dev[1], *words]) == 1
    assert "different models" in capsys.readouterr().err


def test_fixed_exits_may_look_back_and_keep_what_was_promised(dev, tmp_path, capsys):
    out = str(tmp_path / "rule.yaml")
    words = ["calibrate", dev[1], "--policy", "layer", "--look-back", "confidence"]
    assert main([*words, "--target-cost", "0.8", "--output", out]) == 0
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert main(["sweep", dev[1], "--rule", out]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if "rule: " in line]
    assert f" {float(printed['WER %']):.2f} " in line and "fixed layer + look-back" in line


def test_looking_back_at_texts_of_a_search_is_refused(tmp_path, capsys):
    record = save(make_record(decoding="CTC beam 50"), tmp_path / "beam.gz")
    words = ["--policy", "entropy", "--look-back", "confidence", "--target-cost", "0.7"]
    assert main(["calibrate", str(record), *words]) == 1
    assert "repeats greedy texts" in capsys.readouterr().err
