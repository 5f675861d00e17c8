"""The option parser of asr_ee.sh: ESPnet's spellings, and errors that say what to type."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

# Options of ESPnet's asr.sh that have an effect here: host conventions that users rely on.
ESPNET_OPTIONS = (
    "stage stop_stage skip_data_prep skip_train skip_eval ngpu num_nodes nj inference_nj "
    "gpu_inference dumpdir expdir python local_data_opts speed_perturb_factors "
    "audio_format fs min_wav_duration max_wav_duration token_type nbpe bpemode asr_tag "
    "asr_exp asr_stats_dir asr_config asr_args pretrained_model feats_normalize "
    "inference_config inference_tag inference_args inference_asr_model train_set valid_set "
    "test_sets lang asr_speech_fold_length asr_text_fold_length skip_stages skip_packing "
    "eval_valid_set "
)


def scripts(root: Path) -> list[Path]:
    found = [*root.glob("egs2/*/*.sh"), *root.glob("egs2/*/*/*.sh")]
    return sorted(path for path in found if not path.is_symlink())


def test_help_lists_every_option_with_effect_and_default(recipe: Any, root: Path) -> None:
    shown = recipe.succeed("--help")
    source = (root / "egs2/TEMPLATE_ee/asr_ee.sh").read_text()
    declared = source.partition("# options begin")[2].partition("# options end")[0]
    options = re.findall(r"^(\w+)=", declared, re.MULTILINE)
    assert set(ESPNET_OPTIONS.split()) <= set(options)
    for option in options:
        assert re.search(rf"^  --{option} +[A-Za-z].*[.)]$", shown, re.MULTILINE), option
    assert re.search(r"--nbpe .*\(500\)", shown)
    assert shown.rstrip().endswith("--asr_config train.yaml")  # what run.sh sets


def test_every_option_is_read(root: Path) -> None:
    parts = sorted((root / "egs2/TEMPLATE_ee/scripts").glob("*.sh"))
    source = (root / "egs2/TEMPLATE_ee/asr_ee.sh").read_text()
    head, _, rest = source.partition("# options end")
    body = rest + "".join(part.read_text() for part in parts)
    options = re.findall(r"^(\w+)=", head.partition("# options begin")[2], re.MULTILINE)
    unread = [o for o in options if not re.search(rf"\$\{{{o}[}}:/#%]|require[^\n]* {o}\b", body)]
    assert unread == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--asr_confg", "x"], "there is no option --asr_confg.\n  got:  --asr_confg\n"),
        (["--asr-confg", "x"], "  fix:  --asr_config\n"),
        (["--inference_n", "2"], "  fix:  --inference_nj\n"),
        (["--zzz", "2"], "  fix:  --help\n"),
        (["--nj", "two"], "--nj is a whole number.\n  got:  two\n"),
        (["--skip-eval", "yes"], "--skip-eval is true or false.\n  got:  yes\n"),
        (["--min_wav_duration", "1s"], "--min_wav_duration is a number."),
        (["--max_wav_duration", "."], "--max_wav_duration is a number."),
        (["--stage"], "--stage needs a value."),
        (["stage"], "options start with --."),
        (["--audio_format", "mp3"], "--audio_format has an unknown value.\n  got:  mp3\n"),
        (["--token-type", "phn"], "one of: bpe char word"),
        (["--stage", "17"], "there is no such stage."),
        (["--stage", "0"], "there is no such stage.\n  got:  --stage 0\n"),
        (["--nj", "0"], "--nj is too small.\n  got:  0\n"),
        (["--inference_nj", "0"], "--inference_nj is too small."),
        (["--num_threads", "0"], "--num_threads is too small."),
        (["--num_nodes", "2"], "run.pl trains on one machine only."),
        (["--fs", "16kHz"], "--fs is a sampling rate.\n  got:  16kHz\n"),
        (["--test_sets", ""], "--test_sets is not set."),
        (["--python", "no-such-python"], "there is no Python no-such-python."),
    ],
)
def test_wrong_options_give_one_clear_error(recipe: Any, words: list[str], message: str) -> None:
    error = recipe.fail(*words)
    assert error.startswith("asr_ee.sh: error: ")
    assert message in error
    assert not (recipe.folder / "data").exists()


def test_a_value_does_not_change_the_type_of_its_option(recipe: Any) -> None:
    recipe.succeed("--asr_tag", "5", "--asr_tag", "six", "--stage", "15", "--stop-stage", "16")


def test_a_recipe_may_add_options(librispeech: Any) -> None:
    assert re.search(
        r"^  --data_size +Hours .*\(100\)$", librispeech.succeed("--help"), re.MULTILINE
    )
    assert "fix:  --data_size\n" in librispeech.fail("--data-sise", "100")
    assert "fix:  --asr_config\n" in librispeech.fail("--data_size", "100", "--asr_confg", "x")
    error = librispeech.fail("--nj", "2", "--data-size", "200")
    assert "--data_size has an unknown value.\n  got:  200\n  want: one of: mini 100 " in error
    assert "--data_size needs a value." in librispeech.fail("--data_size")
    assert "--skip_eval is true or false" in librispeech.fail("--skip_eval", "--data_size", "mini")
    assert not (librispeech.folder / "data").exists()


def test_a_python_without_espnet_is_named(recipe: Any) -> None:
    bare = recipe.folder / "bare"
    bare.write_text("#!/bin/sh\necho espnet2 soundfile\n")
    bare.chmod(0o755)
    error = recipe.fail("--python", "./bare")
    assert "lacks: espnet2 soundfile" in error
    assert "pip install -e ." in error


def test_stages_may_be_left_out(recipe: Any) -> None:
    shown = recipe.succeed(
        "--skip-data-prep", "true", "--skip_train", "true", "--skip-eval", "true"
    )
    for number, reason in ((1, "--skip_data_prep"), (11, "--skip_train"), (13, "--skip_eval")):
        assert f"Stage {number}: skipped ({reason} leaves it out)" in shown
    for number in (6, 7, 8):
        assert f"Stage {number}: skipped (--use_lm false leaves it out)" in shown
    assert "Stage 9: skipped (--use_ngram false leaves it out)" in shown
    assert "Stage 14: skipped (--skip_packing leaves it out)" in shown
    assert "Stage 3: skipped (--skip_stages" in recipe.succeed(
        "--skip-stages", "2 3", "--stage", "3", "--stop_stage", "3"
    )


def test_shellcheck_finds_nothing(root: Path) -> None:
    shellcheck = shutil.which("shellcheck")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, *scripts(root)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["mini_ee", "an4_ee", "librispeech_ee", "tedlium3_ee"])
def test_recipes_pass_options_on(name: str, root: Path) -> None:
    run_sh = (root / "egs2" / name / "run.sh").read_text()
    assert run_sh.rstrip().endswith('"$@"')
    assert "set -euo pipefail" in run_sh
    for link in ("asr_ee.sh", "path.sh", "cmd.sh", "conf"):
        assert (root / "egs2" / name / link).exists()
    unquoted = re.sub(r'"[^"]*"', "", run_sh)  # quoted are options of local/data.sh
    used = re.findall(r"--(\w+) ", unquoted)
    declared = (root / "egs2/TEMPLATE_ee/asr_ee.sh").read_text() + run_sh
    assert all(re.search(rf"^{option}=", declared, re.MULTILINE) for option in used)
