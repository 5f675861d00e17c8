"""``espnet-ee cost``: the same numbers as records, before and after training; times; bad input."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from model_factory import SAMPLE_RATE, TOKENS, make_experiment, make_settings, make_waves

from espnet_ee.baselines import fixed_exits
from espnet_ee.bin.main import main
from espnet_ee.measured import MeasuredLatency
from espnet_ee.records import read_record
from espnet_ee.scored_set import score_set

LENGTHS = (8000, 12000, 16001, 31990)


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("cost") / "exp")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "test"
    folder.mkdir()
    for index, wave in enumerate(make_waves(LENGTHS)):
        soundfile.write(folder / f"{index}.wav", wave, SAMPLE_RATE)
    lines = [f"u{index} {folder / f'{index}.wav'}\n" for index in range(len(LENGTHS))]
    (folder / "wav.scp").write_text("".join(lines))
    (folder / "text").write_text("".join(f"u{index} A B\n" for index in range(len(LENGTHS))))
    return folder


def as_json(capsys, *words):
    assert main(["cost", *map(str, words), "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def untrained(folder):
    settings = make_settings()
    for name in ("token_list", "token_type", "bpemodel"):
        del settings[name]
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_costs_of_audio_are_those_of_its_record(exp, data, tmp_path, capsys):
    from espnet_ee.host.decode_set import DecodeJob, decode_set
    from espnet_ee.host.inference import EarlyExitSpeech2Text
    from espnet_ee.policies import build_policy

    asr = EarlyExitSpeech2Text.from_exp(exp)
    decode_set(asr, DecodeJob(data / "wav.scp", tmp_path, None, build_policy("layer"), 6.0, 0))
    record = read_record(tmp_path / "record.jsonl.gz")
    scored = score_set(record)
    found = as_json(capsys, exp, "--audio", data / "wav.scp")
    assert found["num_parameters"] == record.header.num_parameters
    [audio] = found["audio"]
    assert (audio["audio"], audio["utterances"]) == ("test/wav.scp", len(LENGTHS))
    assert audio["audio_sec"] == pytest.approx(scored.seconds.sum())
    for row, point in zip(audio["exits"], fixed_exits(scored), strict=True):
        assert row["layer"] == point.mean_layer
        assert row["gflops_per_sec"] == pytest.approx(point.gflops_per_second, rel=1e-12)
        total = row["gflops"] * len(LENGTHS)
        assert total == pytest.approx(row["gflops_per_sec"] * audio["audio_sec"])


def test_training_changes_no_cost(exp, tmp_path, capsys):
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    config = untrained(tmp_path)
    found = [
        as_json(capsys, exp, "--seconds", "2", "5"),
        as_json(capsys, exp / "config.yaml", "--seconds", "2", "5"),
        as_json(capsys, config, "--vocab-size", len(TOKENS), "--seconds", "2", "5"),
        as_json(capsys, config, "--token-list", tmp_path / "tokens.txt", "--seconds", "2", "5"),
    ]
    for one in found:
        del one["model"]
    assert found[0] == found[1] == found[2] == found[3]
    short, long = found[0]["audio"]
    assert [one["audio"] for one in (short, long)] == ["2 s", "5 s"]
    for one in (short, long):
        shares = [row["share"] for row in one["exits"]]
        assert shares == sorted(shares) and shares[-1] == 1.0
        assert all(row["gflops_per_sec"] < row["scored_gflops_per_sec"] for row in one["exits"])
        assert one["floor_gflops"] < one["exits"][0]["gflops"]


def test_a_table_and_csv_have_the_same_numbers(exp, capsys):
    rows = as_json(capsys, exp)["audio"][0]["exits"]
    assert main(["cost", str(exp)]) == 0
    shown = capsys.readouterr().out
    assert "counted from the waveform" in shown and "Times:" not in shown
    assert main(["cost", str(exp), "--format", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    for row, line in zip(rows, table, strict=True):
        assert float(line["gflops"]) == row["gflops"] and line["p50_ms"] == ""
        assert int(line["parameters"]) == row["parameters"]
        assert f"{row['parameters']:,}  " in shown and f"  {row['share']:.1%}  " in shown


def test_times_of_a_trained_model_are_saved(exp, data, tmp_path, capsys):
    where = tmp_path / "latency.json"
    found = as_json(
        capsys, exp, "--audio", data / "wav.scp", "--measure", "--utterances", 3, "--save", where
    )
    measured = MeasuredLatency.load(where)
    assert not measured.random_weights and measured.setting.threads == 1
    assert (measured.utterances, measured.source) == (3, "test/wav.scp")
    taken = np.array(LENGTHS)[[0, 2, 3]]  # evenly spread over the list
    assert measured.audio_sec == pytest.approx(taken.sum() / SAMPLE_RATE)
    rows = found["audio"][0]["exits"]
    assert [row["parameters"] for row in rows] == list(measured.parameters)
    assert [row["p50_ms"] for row in rows] == list(measured.p50_ms)
    assert all(
        0 < half <= most for half, most in zip(measured.p50_ms, measured.p95_ms, strict=True)
    )
    mean_ms = 1000 * measured.rtf[-1] * measured.audio_sec / 3
    assert mean_ms <= 3 * measured.p95_ms[-1]


def test_times_before_training_say_so(tmp_path, capsys):
    where = tmp_path / "latency.json"
    words = ["cost", untrained(tmp_path), "--vocab-size", 20, "--measure", "--utterances", 2]
    assert main([*map(str, [*words, "--seconds", 1, 2, "--save", where])]) == 0
    shown = capsys.readouterr().out
    assert "with random weights" in shown
    assert "Times: 4 utterance(s) (noise of 1 s, 2 s)" in shown
    assert shown.count("p95 ms") == 2, "a table for each length"
    assert MeasuredLatency.load(where).random_weights


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gone.yaml"], "there is no gone.yaml"),
        (["CONF"], "has no token list"),
        (["CONF", "--vocab-size", "2"], "3 or more"),
        (["CONF", "--token-list", "gone.txt"], "gone.txt cannot be read"),
        (["EXP", "--vocab-size", "20"], "has a token list of its own"),
        (["EXP", "--save", "x.json"], "add --measure"),
        (["EXP", "--checkpoint", "x.pth"], "add --measure"),
        (["EXP", "--checkpoint", "x.pth", "--measure"], "checkpoint x.pth does not exist"),
        (["EXP", "--measure", "--save", "gone/x.json"], "no folder gone that may be written in"),
        (["EXP", "--utterances", "3"], "add --audio or --measure"),
        (["EXP", "--seconds", "0.001"], "impossible length"),
        (["EXP", "--seconds", "1e9"], "impossible length"),
        (["EXP", "--audio", "gone.wav"], "gone.wav does not exist"),
        (["EXP", "--audio", "gone.scp"], "gone.scp"),
        (["EXP", "--device", "cpux"], "cannot be used"),
    ],
)
def test_bad_input_is_one_error(words, told, exp, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"CONF": str(untrained(tmp_path)), "EXP": str(exp)}
    assert main(["cost", *(names.get(word, word) for word in words)]) == 1
    shown = capsys.readouterr()
    assert told in shown.err and shown.out == ""
    assert not (tmp_path / "x.json").exists()


def test_a_model_of_features_is_counted_from_them_and_not_timed(tmp_path, capsys):
    exp = make_experiment(tmp_path / "exp", frontend=None, frontend_conf={}, input_size=40)
    assert main(["cost", str(exp)]) == 0
    assert "counted from the features" in capsys.readouterr().out
    assert main(["cost", str(exp), "--measure"]) == 1
    assert "cannot be timed from the waveform" in capsys.readouterr().err


def test_the_table_of_the_documents_is_what_the_command_prints(monkeypatch, capsys):
    root = Path(__file__).resolve().parent.parent
    monkeypatch.chdir(root)
    text = (root / "docs/cost.md").read_text(encoding="utf-8")
    command, table = re.search(
        r"```sh\nespnet-ee (cost .*)\n```\n\n```\n(.*?)```", text, re.DOTALL
    ).groups()
    assert main(command.split()) == 0
    assert capsys.readouterr().out == table
