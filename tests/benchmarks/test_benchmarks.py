"""Each benchmark runs, tiny, and gives complete rows. Times are never judged here."""

import csv
import json
import math
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import (
    batch_exit,
    data_stages,
    encoder,
    harness,
    policies,
    train_step,
    training_hours,
    workload,
)
from benchmarks.models import DictatedExits, ModelSize, early_exit_model, random_features
from espnet_ee.decoding.early_exit import decode_until_good

TINY = ModelSize(
    num_blocks=3,
    output_size=16,
    linear_units=32,
    attention_heads=2,
    cnn_module_kernel=7,
    mel_bins=20,
    vocab_size=11,
    exit_layers=(1, 2, 3),
)


@pytest.fixture(autouse=True)
def short_samples(monkeypatch):
    monkeypatch.setattr(harness, "SHORTEST_SEC", 1e-4)


@pytest.fixture
def three_exits(monkeypatch):
    shares = {"uniform": (0.4, 0.2, 0.4), "all last": (0.0, 0.0, 1.0)}
    monkeypatch.setattr(workload, "HISTOGRAMS", shares)
    return tuple(shares)


def test_encoder_gives_a_row_for_every_exit(tmp_path, capsys):
    settings = encoder.Settings(seconds=(0.5,), batches=(1, 2), repeats=2, size=TINY)
    peers, shares = encoder.measure(settings)
    assert [(row.batch, row.layer) for row in peers] == [(b, n) for b in (1, 2) for n in (1, 2, 3)]
    assert len(shares) == 2 * 2 * 3
    assert all(row.largest_difference < 1e-4 for row in peers)
    assert all(row.time_share == harness.Spread(1.0, 1.0, 1.0) for row in shares if row.layer == 3)
    for stem in settings.stems:
        flops = [row.flop_share for row in shares if row.stem == stem and row.batch == 1]
        assert flops == sorted(flops) and flops[-1] == 1.0
    assert "ours/espnet" in capsys.readouterr().out

    harness.write_tables(tmp_path / "rows.csv", {}, {"peers": peers, "shares": shares})
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as rows:
        read = list(csv.DictReader(rows))
    assert len(read) == len(peers) + len(shares)
    assert {"table", "ratio", "ratio_min", "time_share_max", "flop_share"} <= read[0].keys()


def test_training_hours_follow_from_the_step(tmp_path, capsys):
    config = Path(__file__).resolve().parents[2] / "conf/train_ee_smoke.yaml"
    output = tmp_path / "hours.json"
    training_hours.main([str(config), "--hours", "3", "--quick", "--output", str(output)])
    (row,) = json.loads(output.read_text())["training_hours"]
    # 800000 // (5 s x 16000 + 20 labels x 256) utterances of 5 s; two epochs of three hours.
    assert row["speech_sec"] == 9 * 5
    assert row["hours"] == pytest.approx(2 * 3 / 45 * row["step_sec"])
    assert math.isnan(row["peak_gb"])
    assert "train_ee_smoke" in capsys.readouterr().out


def test_batch_exit_gives_a_row_for_every_histogram(tmp_path, capsys, three_exits):
    settings = batch_exit.Settings(
        utterances=5, batches=(2,), repeats=2, histograms=three_exits, equal_sec=0.6, size=TINY
    )
    rows = batch_exit.measure(settings)
    assert [row.histogram for row in rows] == list(three_exits)
    assert 0.0 < rows[0].promised < 1.0
    assert rows[1].promised == pytest.approx(0.0)
    assert math.isnan(rows[1].reached_of_promised.median)
    assert "reached/promised" in capsys.readouterr().out

    harness.write_tables(tmp_path / "rows.json", harness.machine(), {"histograms": rows})
    written = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert len(written["histograms"]) == len(rows)
    assert {"cpu", "torch", "espnet", "commit"} <= written["machine"].keys()


@pytest.mark.parametrize("compact", [True, False])
def test_dictated_exits_are_the_exits_taken(compact):
    model = early_exit_model(TINY, "dwconv8")
    features, lengths = random_features([60, 50, 40, 30], TINY.mel_bins, seed=0)
    wanted = (2, 0, 1, 0)
    with torch.inference_mode():
        decisions = decode_until_good(
            model, [(features, lengths)], DictatedExits(wanted), math.inf, compact
        )
    assert tuple(decision.exit_index for decision in decisions) == wanted


@pytest.mark.parametrize("shares", workload.HISTOGRAMS.values(), ids=list(workload.HISTOGRAMS))
def test_histograms_are_shares_of_six_exits(shares):
    assert len(shares) == len(ModelSize().exit_layers)
    assert sum(shares) == pytest.approx(1.0)
    exits = workload.dictate(shares, 100)
    assert [exits.count(index) for index in range(6)] == pytest.approx(
        [100 * share for share in shares], abs=1
    )


def test_mixed_lengths_are_padded_and_none_is_lost():
    batches = workload.make_batches(9, None, 4, ["uniform"], TINY.mel_bins)
    assert sum(len(batch.lengths) for batch in batches) == 9
    assert sum(len(batch.exits["uniform"]) for batch in batches) == 9
    assert 0.0 < workload.padding_share(batches) < 1.0


@pytest.mark.parametrize("module", [encoder, batch_exit])
def test_options_reach_the_settings(module):
    settings, output = module.parse(["--quick", "--threads", "1", "2", "--output", "x.csv"])
    assert settings.threads == (1, 2)
    assert output.suffix == ".csv"
    assert settings.repeats < module.Settings().repeats
    with pytest.raises(SystemExit):
        module.parse(["--output", "x.txt"])


def test_more_threads_than_cores_are_refused():
    with pytest.raises(SystemExit, match="only"):
        harness.use_threads(100_000, "wall")
    with pytest.raises(SystemExit, match="--clock wall"):
        harness.use_threads(2, "cpu")


def test_train_step_gives_a_row_for_every_variant(capsys):
    settings = train_step.Settings(seconds=0.5, batch=2, repeats=2, size=TINY)
    rows = train_step.measure(settings)
    train_step.show(rows)
    assert [row.variant for row in rows] == list(train_step.VARIANTS)
    assert rows[0].ratio == harness.Spread(1.0, 1.0, 1.0) and rows[0].kept_ratio == 1.0
    assert rows[1].kept_ratio > 1.0 and all(row.kept_gb > 0 for row in rows)
    assert "step/one exit" in capsys.readouterr().out


def test_train_step_is_quick_when_asked():
    settings, output = train_step.parse(["--quick"])
    assert settings.variants == (train_step.SINGLE, "linear heads") and output is None


@pytest.mark.recipe
def test_data_stages_run_on_a_made_corpus(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    words = ["data_stages", str(tmp_path / "made"), "--share", "0.0005"]
    monkeypatch.setattr(sys, "argv", words)
    data_stages.main()
    rows = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines()[2:]]
    train = sum(round(0.0005 * data_stages.PARTS[part]) for part in data_stages.TRAIN)
    assert rows == [
        ["1", f"{train}"],
        ["2", f"{3 * train}"],
        ["4", f"{3 * train}"],
        ["5", f"{train}"],
        ["10, split for jobs", f"{3 * train}"],
    ]


def test_policies_gives_a_row_for_every_policy(tmp_path, capsys):
    settings = policies.Settings(
        seconds=(0.6,), batches=(1, 2), repeats=2, stems=("dwconv8",), size=TINY
    )
    rows = policies.measure(settings)
    measured = policies.available_policies(policies.resources_of(TINY.vocab_size))
    names = [*(policy.name for policy in measured), policies.GATE]
    assert [(row.batch, row.policy) for row in rows] == [(b, n) for b in (1, 2) for n in names]
    share = {row.policy: row.flop_share for row in rows if row.batch == 1}
    assert 0.0 < share["layer"] < share["confidence"] < share["entropy"]
    assert all(row.keeps == (row.time_share.median <= policies.MOST) for row in rows)
    assert "% of the blocks' time" in capsys.readouterr().out


@torch.inference_mode()
def test_what_was_walked_is_decided_as_it_would_be():
    """The benchmark's walk yields the exits of the model's own; segments are its blocks."""
    model = policies.talking_model(TINY, "dwconv8")
    features, lengths = random_features([60, 50], TINY.mel_bins, seed=0)
    exits = list(model.walk([(features, lengths)]))
    for name in ("entropy", "patience", "cosine"):
        rule = policies.available_policies(policies.resources_of(TINY.vocab_size))
        [rule] = [policy for policy in rule if policy.name == name]
        walked = decode_until_good(policies.Walked(model, exits), [], rule, math.inf)
        assert walked == decode_until_good(model, [(features, lengths)], rule, math.inf)
    for segment, exit in zip(policies.segments_of(model, features, lengths), exits, strict=True):
        hidden = model.encoder.exit_hidden(segment.run().hidden)
        torch.testing.assert_close(hidden, exit.hidden, atol=1e-6, rtol=0)
