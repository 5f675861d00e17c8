"""Limits, deadlines and targets on the command line, and what does not fit together."""

from __future__ import annotations

import json

import pytest
import soundfile
from model_factory import make_experiment, make_waves

from espnet_ee.bin.asr_inference import main as asr_inference
from espnet_ee.bin.main import main as espnet_ee
from espnet_ee.latency import LatencyProfile
from espnet_ee.records import RECORD_NAME, read_record
from espnet_ee.replay import stop_gflops
from espnet_ee.scored_set import score_set


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("exp"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    paths = [folder / f"{number}.wav" for number in range(6)]
    for path, wave in zip(paths, make_waves([9000, 24000, 12000, 8000, 16000, 30000]), strict=True):
        soundfile.write(path, wave, 16000)
    lines = [f"u{number} {path}\n" for number, path in enumerate(paths)]
    (folder / "wav.scp").write_text("".join(lines), encoding="utf-8")
    (folder / "text").write_text("".join(f"u{n} A B\n" for n in range(6)), encoding="utf-8")
    return paths


def inference(exp, files, out, *words):
    return asr_inference(
        [
            *("--asr_train_config", str(exp / "config.yaml")),
            *("--asr_model_file", str(exp / "valid.cer_ctc.ave.pth")),
            *("--data_path_and_name_and_type", f"{files[0].parent}/wav.scp,speech,sound"),
            *("--output_dir", str(out), *words),
        ]
    )


@pytest.fixture(scope="module")
def dev(exp, files, tmp_path_factory):
    out = tmp_path_factory.mktemp("dev")
    assert inference(exp, files, out) == 0
    return out / RECORD_NAME


@pytest.fixture(scope="module")
def profile(exp, tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "profile.json"
    words = ["--seconds", "0.5", "1", "2", "--repeats", "2", "--output", str(path)]
    assert espnet_ee(["profile", "--exp", str(exp), *words]) == 0
    return path


def recognise(exp, *words):
    return espnet_ee(["recognize", "--exp", str(exp), *map(str, words)])


def shown(capfd):
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_profile_writes_what_deadlines_read(profile, capfd):
    read = LatencyProfile.load(profile)
    assert read.layers == (2, 4, 6) and read.lengths_sec == (0.5, 1.0, 2.0)
    times = read.ms(1.0)
    assert 0.0 < times[0] <= times[1] <= times[2] < 10_000.0


def test_limits_of_recognize(exp, files, capfd):
    words = ["--policy", "entropy", "--threshold", "inf", "--format", "json", *files]
    assert recognise(exp, "--max-layer", 4, *words) == 0
    results = shown(capfd)
    assert [(r["layer"], r["limited"]) for r in results] == [(4, "max_layer")] * 6
    assert recognise(exp, "--max-gflops-per-sec", 1e-6, *words) == 0
    results = shown(capfd)
    assert all(r["layer"] == 2 and r["exceeded"] == ["max_gflops_per_sec"] for r in results)


def test_the_text_names_a_limit(exp, files, capfd):
    words = ["--policy", "entropy", "--threshold", "inf", files[0]]
    recognise(exp, "--max-layer", 1, *words)
    layer = capfd.readouterr().out.split("\t")[1]
    assert layer == "layer 2 (max_layer, exceeds max_layer)"
    recognise(exp, *words)
    assert capfd.readouterr().out.split("\t")[1] == "layer 6"


def test_a_deadline(exp, files, profile, capfd):
    words = ["--policy", "entropy", "--threshold", "inf", "--format", "json", "--profile", profile]
    assert recognise(exp, "--deadline-ms", 1e-3, *words, *files) == 0
    assert all(r["exceeded"] == ["deadline_ms"] and r["layer"] == 2 for r in shown(capfd))
    assert recognise(exp, "--deadline-ms", 1e6, *words, *files) == 0
    assert all(r["limited"] is None and r["layer"] == 6 for r in shown(capfd))


def test_limits_of_asr_inference(exp, files, tmp_path):
    words = ["--policy", "entropy", "--threshold", "inf", "--max_layer", "4"]
    assert inference(exp, files, tmp_path, *words) == 0
    chosen = (tmp_path / "1best_recog/text").read_text()
    assert chosen == (tmp_path / "exit04/1best_recog/text").read_text()
    assert chosen != (tmp_path / "exit06/1best_recog/text").read_text()


@pytest.mark.parametrize("target", ["cost", "rtf"])
def test_a_target(exp, files, dev, profile, target, capfd):
    """Files are taken in the order given, a batch per call."""
    scored = score_set(read_record(dev))
    costs = stop_gflops(scored, "entropy") / scored.seconds[:, None]
    times = LatencyProfile.load(profile).seconds(scored.seconds).sum(axis=0) / scored.seconds.sum()
    words = {
        "cost": ["--target-gflops-per-sec", costs.mean()],
        "rtf": ["--target-rtf", times.mean(), "--profile", profile],
    }[target]
    many = [*files] * 4
    words += ["--dev-record", dev, "--policy", "entropy", "--batch-size", 1, "--format", "json"]
    assert recognise(exp, *words, *many) == 0
    results = shown(capfd)
    assert [r["file"] for r in results] == [str(path) for path in many]
    if target == "cost":
        cost = sum(r["gflops"] for r in results) / sum(r["seconds"] for r in results)
        assert cost == pytest.approx(costs.mean(), rel=0.05)
        assert len({r["layer"] for r in results}) > 1


CUT = ["--max-segment-sec", 2.5, "--overlap-sec", 0.2, "--cut-search-sec", 0.2]


@pytest.fixture
def long_file(tmp_path):
    soundfile.write(tmp_path / "long.wav", make_waves([112000])[0], 16000)
    return tmp_path / "long.wav"


def test_pieces_of_long_files_are_utterances_of_the_stream(exp, files, long_file, dev, capfd):
    scored = score_set(read_record(dev))
    target = (stop_gflops(scored, "entropy") / scored.seconds[:, None]).mean()
    words = ["--target-gflops-per-sec", target, "--dev-record", dev, "--policy", "entropy", *CUT]
    assert recognise(exp, *words, "--timestamps", "--format", "json", long_file, *files) == 0
    results = shown(capfd)
    assert [r["file"] for r in results] == [str(path) for path in (long_file, *files)]
    assert len(results[0]["pieces"]) > 2 and results[0]["words"] is not None


def test_limits_hold_for_every_piece_of_a_long_file(exp, long_file, capfd):
    words = ["--policy", "entropy", "--threshold", "inf", "--max-layer", 4, *CUT]
    assert recognise(exp, *words, long_file) == 0
    layers, _, rest = capfd.readouterr().out.split("\t")[1].partition(", ")
    assert layers == "layer 4" and rest.endswith("pieces (max_layer)")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--deadline-ms", "10"], "needs to know how long each exit takes"),
        (["--profile", "x.json"], "nothing reads --profile"),
        (["--target-gflops-per-sec", "0.1"], "go together"),
        (["--dev-record", "x"], "go together"),
        (["--target-rtf", "0.1", "--dev-record", "x"], "needs to know how long"),
        (["--target-gflops-per-sec", "0.1", "--threshold", "1"], "sets the threshold itself"),
        (["--target-gflops-per-sec", "0.1", "--exit-layer", "2"], "sets the threshold itself"),
        (["--target-gflops-per-sec", "0.1", "--dev-record", "no"], "There is no record no"),
        (["--deadline-ms", "1", "--profile", "no"], "no is no latency profile"),
    ],
)
def test_options_that_do_not_fit(exp, files, capfd, words, message):
    assert recognise(exp, *words, files[0]) == 1
    assert message in capfd.readouterr().err


def test_a_target_out_of_reach(exp, files, dev, capfd):
    words = ["--target-gflops-per-sec", 99, "--dev-record", dev, "--policy", "entropy"]
    assert recognise(exp, *words, files[0]) == 1
    assert "no threshold can hold this mean cost" in capfd.readouterr().err


def test_a_profile_of_another_setting(exp, files, profile, capfd, tmp_path):
    values = json.loads(profile.read_text())
    values["setting"]["threads"] = 7
    other = tmp_path / "profile.json"
    other.write_text(json.dumps(values))
    assert recognise(exp, "--deadline-ms", 10, "--profile", other, files[0]) == 1
    assert "the latency profile was measured for something else" in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--max-layer=0", "--deadline-ms=-1", "--target-rtf=nan"])
def test_numbers_out_of_range(exp, files, option):
    with pytest.raises(SystemExit) as exit:
        recognise(exp, option, files[0])
    assert exit.value.code == 2
