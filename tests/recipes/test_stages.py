"""Stages on a tiny corpus: what they write, what they skip, and how they go on."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from waiting import until

pytestmark = pytest.mark.recipe


def ran(shown: str) -> set[int]:
    """Numbers of the stages that did something."""
    blocks = re.split(r"^\S+ \(asr_ee\.sh\) Stage ", shown, flags=re.MULTILINE)[1:]
    return {int(block.partition(":")[0]) for block in blocks if "runs because" in block}


def test_data_stages_write_espnets_files_and_then_rest(recipe: Any) -> None:
    shown = recipe.succeed("--stop_stage", "9", "--speed_perturb_factors", "0.9 1.0")
    assert ran(shown) == {1, 2, 3, 4, 5}
    folder = recipe.folder
    for name in ("org/train_sp", "org/dev", "train_sp", "dev", "test"):
        names = {path.name for path in (folder / "dump/raw" / name).iterdir()}
        assert {"wav.scp", "text", "utt2spk", "spk2utt", "utt2num_samples"} <= names
    tokens = (folder / "data/en_token_list/char/tokens.txt").read_text().split("\n")
    assert (tokens[:2], tokens[-2]) == (["<blank>", "<unk>"], "<sos/eos>")
    before = {
        path: path.stat().st_mtime_ns for path in (folder / "dump").rglob("*") if path.is_file()
    }
    again = recipe.succeed("--stop_stage", "9", "--speed_perturb_factors", "0.9 1.0")
    assert ran(again) == set()
    assert again.count("done before, skipped") == 8
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_changed_options_run_what_depends_on_them(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "5")
    assert ran(recipe.succeed("--stop_stage", "5", "--min_wav_duration", "0.3")) == {4, 5}
    assert ran(recipe.succeed("--stop_stage", "5", "--audio_format", "wav")) == {3, 4, 5}
    assert ran(recipe.succeed("--stop_stage", "5", "--local_data_opts", "x")) == {1, 3, 4}
    shown = recipe.succeed("--stop_stage", "5", "--nbpe", "9", "--fs", "8k")
    assert "--fs changed from '16k' to '8k'" in shown


def test_a_stage_asked_for_runs_again(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "5")
    assert ran(recipe.succeed("--stage", "5", "--stop_stage", "5")) == {5}
    assert ran(recipe.succeed("--stage", "4", "--stop_stage", "5")) == {4}


def test_a_changed_corpus_is_noticed(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "5")
    corpus = recipe.folder / "corpus/train/1/1"
    shutil.copy(corpus / "1-1-3.flac", corpus / "1-1-0.flac")
    shown = recipe.succeed("--stop_stage", "5")
    assert ran(shown) == {3, 4}
    assert "dump/raw/org/train: converting 1 of 4 utterances" in shown


def test_an_interrupted_stage_runs_again_and_leaves_nothing_half(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "2")
    bad = recipe.folder / "corpus/dev/2/1/2-1-1.flac"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:50])
    error = recipe.fail("--stop_stage", "5")
    assert "DataError: data/dev: 1 audio files are bad; the others are kept." in error
    assert not (recipe.folder / "dump/raw/org/dev/wav.scp").exists()
    bad.write_bytes(whole)
    shown = recipe.succeed("--stop_stage", "5")
    assert "runs because: interrupted before" in shown
    assert "dump/raw/org/dev: converting 1 of 4 utterances" in shown


def test_full_disk_in_stage_3_is_one_error_and_resumes(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "2")
    patch = recipe.folder / "sitecustomize.py"
    patch.write_text(
        "import errno, pathlib\n"
        "original = pathlib.Path.write_bytes\n"
        "def write_bytes(path, content):\n"
        "    if '3-1-2' in path.name:\n"
        "        raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "    return original(path, content)\n"
        "pathlib.Path.write_bytes = write_bytes\n"
    )
    recipe.environment["PYTHONPATH"] = str(recipe.folder)
    done = recipe.run("--stop_stage", "5")
    assert done.returncode == 1
    assert done.stderr.count("DataError") == 1
    assert "DataError: Disk full while formatting data/test." in done.stderr
    assert "Traceback" not in done.stderr
    patch.unlink()
    shown = recipe.succeed("--stop_stage", "5")
    assert "dump/raw/test: converting 2 of 4 utterances" in shown


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "data/dev/wav.scp").write_text(""), "data/dev is an empty data directory"),
        (
            lambda f: (f / "data/dev/text").write_text("zz LOST\n"),
            "utterance id in text but not in wav.scp: zz",
        ),
    ],
)
def test_unsound_data_stops_stage_3_with_one_error(
    recipe: Any, break_it: Any, message: str
) -> None:
    recipe.succeed("--stop_stage", "2")
    break_it(recipe.folder)
    error = recipe.fail("--stage", "3", "--stop_stage", "3")
    assert message in error
    assert "Traceback" not in error


def test_a_later_stage_without_the_earlier_says_so(recipe: Any) -> None:
    assert "run the stages before it first" in recipe.fail("--stage", "4")


def test_all_stages_with_a_stand_in_for_the_model(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "12")
    exp = recipe.folder / "exp"
    stats, model = exp / "asr_stats_raw_en_char", exp / "asr_train_raw_en_char"
    vocabulary = len(
        (recipe.folder / "data/en_token_list/char/tokens.txt").read_text().splitlines()
    )
    shape = (stats / "train/text_shape.char").read_text().splitlines()
    assert shape[0] == f"1-1-0 12,{vocabulary}"
    tag = "inference_asr_model_valid.cer_ctc.ave"
    for suffix in ("", "_exit01", "_exit02"):
        for name in ("test", "dev"):
            text = (model / f"{tag}{suffix}/{name}/text").read_text()
            assert len(text.splitlines()) == 4
    assert (model / tag / "test/record.jsonl.gz").exists()
    for number, folder in ((10, stats), (11, model), (12, model / tag)):
        assert f"--stage {number} --stop_stage {number} " in (folder / "run.sh").read_text()
    assert "fs=16k" in (model / "valid.cer_ctc.ave.pth").read_text()
    assert ran(recipe.succeed("--stop_stage", "12")) == set()


def test_what_decoding_jobs_finished_stays_when_another_fails(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "11", "--eval_valid_set", "false")
    decoded = recipe.folder / "decoded"
    (recipe.folder / "break_2").touch()
    failed = recipe.fail("--stop_stage", "12", "--eval_valid_set", "false")
    assert "1 of 2 jobs failed" in failed and "broken as asked" in failed
    assert sorted(decoded.read_text().split()) == ["1", "2"]
    (recipe.folder / "break_2").unlink()
    recipe.succeed("--stage", "12", "--stop_stage", "12", "--eval_valid_set", "false")
    assert sorted(decoded.read_text().split()) == ["1", "2", "2"], "job 1 is not run again"
    recipe.succeed("--stage", "12", "--stop_stage", "12", "--eval_valid_set", "false")
    assert sorted(decoded.read_text().split()) == ["1", "1", "2", "2", "2"], "asked for again"
    # Other options are other decodings, whatever is left of the one before.
    (recipe.folder / "break_2").touch()
    options = ("--stop_stage", "12", "--eval_valid_set", "false", "--inference_tag", "x")
    recipe.fail(*options)
    (recipe.folder / "break_2").unlink()
    recipe.succeed(*options, "--batch_size", "3")
    assert sorted(decoded.read_text().split()) == ["1"] * 4 + ["2"] * 5


def test_model_stages_follow_their_options(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "12", "--eval_valid_set", "false")
    exp = recipe.folder / "exp"
    assert not list(exp.glob("*/inference*/dev"))
    # Another model shares the statistics and has a folder of its own.
    shown = recipe.succeed("--stop_stage", "11", "--asr_args", "--encoder_conf exit_layers=[6]")
    assert ran(shown) == {11}
    other = exp / "asr_train_raw_en_char_encoder_conf_exit_layers_6"
    assert "exit_layers=[6]" in (other / "valid.cer_ctc.ave.pth").read_text()
    # A new model file is decoded again; another policy gets a tag of its own.
    (exp / "asr_train_raw_en_char/valid.cer_ctc.ave.pth").write_text("other parameters")
    assert ran(recipe.succeed("--stop_stage", "12", "--eval_valid_set", "false")) == {12}
    recipe.succeed("--stop_stage", "12", "--inference_args", "--policy entropy --threshold -0.1")
    assert list(exp.glob("*/inference_policy_entropy_threshold_-0.1_asr_model*/test/text"))


def test_a_failed_training_shows_its_log(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "10")
    shutil.rmtree(recipe.folder / "exp/asr_stats_raw_en_char/train")
    (recipe.folder / "exp/asr_stats_raw_en_char/train").mkdir()
    for name in ("speech_shape", "text_shape.char"):
        (recipe.folder / "exp/asr_stats_raw_en_char/train" / name).touch()
    done = recipe.run("--stop_stage", "11", "--asr_args", "--odd")
    assert done.returncode == 1
    assert "run.pl: job failed, log in exp/asr_train_raw_en_char_odd/train.log" in done.stderr
    assert not Path(recipe.folder / "exp/asr_train_raw_en_char_odd/.done.11").exists()


def test_where_the_corpus_is_belongs_to_stage_1(recipe: Any) -> None:
    (recipe.folder / "db.sh").write_text('export CORPUS="${CORPUS:-}"\n')
    (recipe.folder / "corpus/MANIFEST.tsv").write_text("1\n")
    recipe.succeed("--stop_stage", "1")
    assert ran(recipe.succeed("--stop_stage", "1")) == set()
    recipe.environment["CORPUS"] = "/data/x"
    assert "$CORPUS changed from '' to '/data/x'" in recipe.succeed("--stop_stage", "1")
    (recipe.folder / "corpus/MANIFEST.tsv").write_text("2\n")
    assert "corpus/MANIFEST.tsv changed" in recipe.succeed("--stop_stage", "1")


def test_a_finished_training_does_not_go_on_as_another(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "10")
    tag = ("--asr_tag", "x", "--skip_data_prep", "true")
    recipe.succeed("--stop_stage", "11", *tag)
    assert ran(recipe.succeed("--stop_stage", "11", *tag)) == set()
    assert ran(recipe.succeed("--stop_stage", "11", *tag, "--asr_args", "--max_epoch 9")) == {11}
    config = recipe.folder / "train.yaml"
    config.write_text("# the same\nmax_epoch: 12\n")
    assert ran(recipe.succeed("--stop_stage", "11", *tag)) == {11}
    before = (recipe.folder / "exp/asr_x/valid.cer_ctc.ave.pth").stat().st_mtime_ns
    config.write_text("max_epoch: 12\nseed: 1\n")
    error = recipe.fail("--stop_stage", "11", *tag)
    assert "ConfigError: exp/asr_x holds another training.\n  got:  seed in the conf" in error
    assert "--asr_tag NAME" in error
    config.write_text("max_epoch: 11\n")
    assert "max_epoch in the configuration changed" in recipe.fail("--stop_stage", "11", *tag)
    config.write_text("max_epoch: 12\n")
    for option in (
        ("--asr_args", "--seed 2"),
        ("--feats_normalize", "none"),
        ("--asr_speech_fold_length", "9"),
        ("--fs", "8k"),
    ):
        assert f"{option[0]} changed" in recipe.fail("--stop_stage", "11", *tag, *option)
    assert (recipe.folder / "exp/asr_x/valid.cer_ctc.ave.pth").stat().st_mtime_ns == before
    shutil.rmtree(recipe.folder / "exp/asr_x")
    assert ran(recipe.succeed("--stop_stage", "11", *tag, "--asr_args", "--seed 2")) == {10, 11}


def test_other_parameters_to_start_from_are_another_training(recipe: Any) -> None:
    start = recipe.folder / "start.pth"
    start.write_text("1")
    recipe.succeed("--stop_stage", "10")
    options = ("--stop_stage", "11", "--skip_data_prep", "true")
    options += ("--pretrained_model", "start.pth:encoder:encoder")
    recipe.succeed(*options)
    assert ran(recipe.succeed(*options)) == set()
    error = recipe.fail(*options, "--ignore_init_mismatch", "true")
    assert "--ignore_init_mismatch changed from 'false' to 'true'" in error
    start.write_text("22")
    assert "start.pth changed" in recipe.fail(*options)


def test_changed_audio_reaches_statistics_training_and_decoding(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "12")
    corpus = recipe.folder / "corpus"
    shutil.copy(corpus / "test/3/1/3-1-3.flac", corpus / "test/3/1/3-1-2.flac")
    assert ran(recipe.succeed("--stop_stage", "12")) == {3, 12}
    utt2spk = recipe.folder / "dump/raw/test/utt2spk"
    utt2spk.write_text(utt2spk.read_text().replace(" 3", " 4"))
    assert ran(recipe.succeed("--stop_stage", "12")) == {12}
    shutil.copy(corpus / "train/1/1/1-1-3.flac", corpus / "train/1/1/1-1-2.flac")
    done = recipe.run("--stop_stage", "12")
    assert ran(done.stdout) == {3, 4, 10}
    assert "exp/asr_train_raw_en_char holds another training." in done.stderr


def test_statistics_depend_on_the_options_that_change_features(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "10")
    for args, stages in (
        ("--max_epoch 3", set()),
        ("--max_epoch 3 --speech_volume_normalize 1.0", {10}),
        ("--preprocessor default --seed 4", {10}),
        ("--frontend_conf n_fft=400", {10}),
        ("--frontend_conf n_fft=400 --seed 4", set()),
    ):
        options = ("--skip_data_prep", "true", "--stop_stage", "10", "--asr_args", args)
        assert ran(recipe.succeed(*options)) == stages, args


def test_the_validation_set_is_decoded_whole_and_chooses_thresholds(recipe: Any) -> None:
    options = ("--min_wav_duration", "0.3")
    recipe.succeed("--stop_stage", "12", *options)
    folder = recipe.folder
    assert len((folder / "dump/raw/dev/text").read_text().splitlines()) == 3
    (decoded,) = folder.glob("exp/*/inference_asr_model_valid.cer_ctc.ave/dev/text")
    assert len(decoded.read_text().splitlines()) == 4
    recipe.succeed("--stage", "13", "--stop_stage", "13", *options)
    assert "--dev dev" in (folder / "exp/asr_train_raw_en_char/RESULTS.md").read_text()


def test_a_stage_that_outlives_its_killed_run_is_left_alone(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "11", "--eval_valid_set", "false")
    options = ("--stop_stage", "12", "--eval_valid_set", "false")
    hold, decoded = recipe.folder / "hold_1", recipe.folder / "decoded"
    hold.touch()
    # One process to kill: that of asr_ee.sh, not those of its jobs.
    script = (recipe.folder / "run.sh").read_text()
    recipe.add_script("first.sh", script.replace("./asr_ee.sh", "exec ./asr_ee.sh"))
    with recipe.start(*options, script="first.sh", stdout=subprocess.DEVNULL) as first:
        until(lambda: decoded.exists() and len(decoded.read_text().split()) == 2, 60)
        first.kill()
    error = recipe.fail(*options)
    assert "another run is at work on this stage." in error
    hold.unlink()
    until(lambda: recipe.run(*options).returncode == 0, 60)
    assert sorted(decoded.read_text().split()) == ["1", "2"], "what went on is not done twice"


def test_jobs_do_not_outlive_a_run_that_is_killed_with_all_its_commands(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "11", "--eval_valid_set", "false")
    hold, decoded = recipe.folder / "hold_1", recipe.folder / "decoded"
    hold.touch()
    options = ("--stop_stage", "12", "--eval_valid_set", "false")
    with recipe.start(*options, stdout=subprocess.PIPE, start_new_session=True) as first:
        until(lambda: decoded.exists() and len(decoded.read_text().split()) == 2, 60)
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate(timeout=10)  # ends when the last that has its standard output ends
    hold.unlink()
    recipe.succeed(*options)
    assert decoded.read_text().split().count("1") == 2, "job 1 was stopped, and ran again"


def test_a_training_set_in_parts(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "11", "--num_splits_asr", "2")
    exp = recipe.folder / "exp"
    parts = exp / "asr_stats_raw_en_char/splits2"
    for name in ("wav.scp", "text", "speech_shape", "text_shape.char"):
        assert (parts / name / "num_splits").read_text() == "2"
        assert len((parts / name / "split.1").read_text().splitlines()) == 2
    called = (exp / "asr_train_raw_en_char/valid.cer_ctc.ave.pth").read_text()
    assert "--multiple_iterator true" in called
    assert f"{parts.relative_to(recipe.folder)}/wav.scp,speech,sound" in called
    error = recipe.fail("--stop_stage", "11", "--asr_tag", "x", "--num_splits_asr", "9")
    assert "the training set cannot be split." in error and "less than num_splits" in error


def test_upload_is_asked_for_and_can_be_tried(recipe: Any) -> None:
    recipe.succeed("--stop_stage", "11")
    (recipe.folder / "exp/asr_train_raw_en_char/config.yaml").write_text(
        "encoder: ee_conformer\ntoken_type: char\ntoken_list: [a]\n"
    )
    options = ("--stage", "14", "--skip_packing", "false", "--skip_upload_hf", "false")
    assert "--hf_repo is not set." in recipe.fail(*options)
    options += ("--license", "mit", "--hf_repo", "me/model", "--hf_dry_run", "true")
    shown = recipe.succeed(*options)
    assert "is what would be sent to me/model" in shown
    card = (
        recipe.folder
        / "exp/asr_train_raw_en_char/asr_train_raw_en_char_valid.cer_ctc.ave/README.md"
    )
    shown = card.read_text()
    assert "language: en\nlicense: mit\n" in shown and "\n# me/model\n" in shown
    assert "- set: `train`\n- utterances: 4\n" in shown, "read from the dump folder"
    assert "Stage 16: skipped (--skip_upload_hf leaves it out)" in recipe.succeed("--stage", "16")


def test_latency_is_measured_once_if_asked_for(recipe: Any) -> None:
    original = (recipe.folder / "python").read_text().partition("\n")[2]
    recipe.add_script(
        "python",
        """#!/usr/bin/env bash
if [ "${3:-}" = cost ]; then echo "$*" >> measured; echo "{}" > "${@: -1}"; exit; fi
"""
        + original,
    )
    recipe.succeed("--stop_stage", "12")
    assert not (recipe.folder / "measured").exists()
    model = "exp/asr_train_raw_en_char"
    for _ in range(2):
        recipe.succeed("--stop_stage", "12", "--measure_latency", "true")
    [called] = (recipe.folder / "measured").read_text().splitlines()
    assert called.endswith(f"--device cpu --save {model}/latency.json")
    assert f"--measure --checkpoint {model}/valid.cer_ctc.ave.pth --audio dump/raw/test/" in called
