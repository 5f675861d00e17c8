"""Stages on a tiny corpus: what they write, what they skip, and how they go on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

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
    assert "dump/raw/org/train: 4 utterances, 0.00 hours, 1 converted now" in shown


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
    assert "dump/raw/org/dev: 4 utterances, 0.00 hours, 1 converted now" in shown


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
    assert "dump/raw/test: 2 of 4 utterances were done before" in shown


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
    for folder in (stats, model, model / tag):
        assert "--stage 1" in (folder / "run.sh").read_text()
    assert ran(recipe.succeed("--stop_stage", "12")) == set()


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
