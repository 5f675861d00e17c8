"""Recipes on a real Slurm of two nodes on this machine (cluster/start_slurm.sh)."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from waiting import until

START = Path(__file__).resolve().parents[1] / "cluster/start_slurm.sh"
CONF = Path(__file__).resolve().parents[2] / "conf"
DAEMONS = ("munged", "slurmctld", "slurmd")
MISSING = [name for name in DAEMONS if shutil.which(name, path="/usr/sbin:/usr/bin") is None]

# Without dropout, SpecAugment and batch normalisation: two processes draw and see others than one.
REAL_MODEL: dict[str, Any] = {
    "encoder": "ee_transformer",
    "encoder_conf": {
        "output_size": 16,
        "attention_heads": 2,
        "linear_units": 16,
        "num_blocks": 2,
        "exit_layers": [1, 2],
        "input_layer": "dwconv8",
        **dict.fromkeys(("dropout_rate", "positional_dropout_rate", "attention_dropout_rate"), 0.0),
    },
    "model": "ee_ctc_att",
    "model_conf": {"ctc_weight": 1.0},
    "frontend_conf": {"n_mels": 20},
    "batch_type": "sorted",
    "batch_size": 4,
    "max_epoch": 2,
    "num_workers": 0,
    "optim": "adam",
    "optim_conf": {"lr": 0.001},
    "best_model_criterion": [["valid", "cer_ctc", "min"]],
}

pytestmark = [
    pytest.mark.recipe,
    pytest.mark.skipif(bool(MISSING), reason=f"Slurm is not installed: no {', '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts Slurm's daemons"),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of a running Slurm."""
    # Under /tmp itself: a socket's path has at most 107 characters.
    folder = Path("/tmp") / f"slurm-test-{os.getpid()}"
    started = subprocess.run([START, folder], capture_output=True, text=True, check=False)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield folder
    finally:
        subprocess.run([START, folder, "stop"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def on_slurm(recipe: Any, slurm: Path) -> Any:
    """The recipe with jobs given to Slurm."""
    (recipe.folder / "conf").symlink_to(CONF)
    recipe.environment = {"cmd_backend": "slurm", "SLURM_CONF": str(slurm / "slurm.conf")}
    return recipe


def results(recipe: Any) -> dict[str, bytes]:
    """What decoding leaves, but for logs and markers, by name."""
    return {
        str(path.relative_to(recipe.folder)): path.read_bytes()
        for path in sorted((recipe.folder / "exp").glob("asr_train*/inference*/test/*"))
        if path.is_file() and not path.name.startswith(".done")
    }


def query(slurm: Path, *words: str) -> str:
    environment = os.environ | {"SLURM_CONF": str(slurm / "slurm.conf")}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def kill_node_of_job(slurm: Path, name: str, number: int) -> str:
    """Kill all of a node at once, as a power cut does; return its name."""
    lines = query(slurm, "squeue", "-h", "-n", name, "-o", "%K %A %N").splitlines()
    job, node = next(line.split()[1:] for line in lines if line.split()[0] == str(number))
    os.kill(int((slurm / f"slurmd.{node}.pid").read_text()), signal.SIGKILL)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes()
            variables = (process / "environ").read_bytes().split(b"\0")
            step = command.startswith(f"slurmstepd: [{job}.".encode())
            if step or f"SLURM_JOB_ID={job}".encode() in variables:
                os.kill(int(process.name), signal.SIGKILL)
    return node


def hasten(slurm: Path, name: str) -> None:
    """Let a requeued job begin now; Slurm makes it wait two minutes."""
    environment = os.environ | {"SLURM_CONF": str(slurm / "slurm.conf")}

    def begins() -> bool:
        waiting = query(slurm, "squeue", "-h", "-n", name, "-t", "PENDING", "-o", "%F_%K").split()
        words = ["scontrol", "update", f"JobId={waiting[0]}", "StartTime=now"] if waiting else []
        return bool(words) and not subprocess.run(words, env=environment, check=False).returncode

    until(begins, 60)


def test_the_same_results_as_on_this_machine(on_slurm: Any) -> None:
    cluster = on_slurm.environment
    on_slurm.environment = {}
    on_slurm.succeed("--stop_stage", "12")
    local = results(on_slurm)
    shutil.rmtree(on_slurm.folder / "exp")
    on_slurm.environment = cluster
    on_slurm.succeed("--stop_stage", "12")
    assert local and results(on_slurm) == local
    log = on_slurm.folder / "exp/asr_train_raw_en_char/train.log"
    assert "# Ended (code 0)" in log.read_text()


def test_jobs_have_names_and_a_failure_shows_its_log(on_slurm: Any, slurm: Path) -> None:
    on_slurm.succeed("--stop_stage", "11")
    for number in (1, 2):
        (on_slurm.folder / f"hold_{number}").touch()
    (on_slurm.folder / "break_2").touch()
    with on_slurm.start("--stop_stage", "12", stderr=subprocess.PIPE) as run:
        until(lambda: "decode_test" in query(slurm, "squeue", "--format=%j"), 60)
        for number in (1, 2):
            (on_slurm.folder / f"hold_{number}").unlink()
        _, shown = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "1 of 2 jobs failed" in shown and "broken as asked" in shown


def epochs(exp: Path) -> list[str]:
    """Losses of each epoch, as training says them."""
    found = re.findall(r"INFO: \d+epoch results: (.*)", (exp / "train.log").read_text())
    return [", ".join(re.findall(r"loss\w*=[\d.]+", line)) for line in found]


def test_training_on_two_nodes_is_the_training_of_one(on_slurm: Any) -> None:
    """A real model: the nodes share every batch, so the losses of all epochs are the same."""
    on_slurm.environment |= {"PYTHON": sys.executable}
    (on_slurm.folder / "train.yaml").write_text(yaml.safe_dump(REAL_MODEL))
    stop = ("--stop_stage", "11")
    on_slurm.succeed(*stop, "--asr_tag", "one")
    on_slurm.succeed(*stop, "--asr_tag", "two", "--num_nodes", "2")
    one, two = (on_slurm.folder / f"exp/asr_{name}" for name in ("one", "two"))
    assert len(epochs(one)) == 2
    assert epochs(two) == epochs(one)
    shared = [(exp / "config.yaml").read_text().count("distributed: true") for exp in (one, two)]
    assert shared == [0, 1]


def test_a_node_that_dies_loses_nothing(on_slurm: Any, slurm: Path) -> None:
    """Its job goes to the other node; what was decoded there already stays."""
    on_slurm.succeed("--stop_stage", "11", "--eval_valid_set", "false")
    for number in (1, 2):
        (on_slurm.folder / f"hold_{number}").touch()
    with on_slurm.start("--stop_stage", "12", "--eval_valid_set", "false") as run:
        decoded = on_slurm.folder / "decoded"
        until(lambda: decoded.exists() and len(decoded.read_text().split()) == 2, 60)
        lost = kill_node_of_job(slurm, "decode_test", number=2)
        until(lambda: f"{lost} down" in query(slurm, "sinfo", "-hN", "-o", "%N %T"), 120)
        for number in (1, 2):
            (on_slurm.folder / f"hold_{number}").unlink()
        hasten(slurm, "decode_test")
        assert run.wait(timeout=120) == 0
    assert sorted(decoded.read_text().split()) == ["1", "2", "2"]
    texts = [value for name, value in results(on_slurm).items() if name.endswith("/text")]
    assert texts and all(len(text.splitlines()) == 4 for text in texts)
