"""slurm.pl, queue.pl and ssh.pl against stand-ins for sbatch, qsub and ssh."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "egs2/TEMPLATE_ee/utils"
CONFIGS = {"slurm.pl": ROOT / "conf/slurm.conf", "queue.pl": ROOT / "conf/queue.conf"}
STAND_IN = Path(__file__).with_name("stand_in_batch.py")
SCRIPTS = {
    **{name: f'exec {sys.executable} {STAND_IN} {name} "$@"' for name in ("sbatch", "qsub")},
    **dict.fromkeys(("scancel", "qdel"), 'echo "$*" > cancelled'),
    "ssh": """while [[ $1 == -* ]]; do if [ "$1" = -o ]; then shift; fi; shift; done
echo "$1" >> hosts
shift
exec bash -c "$*"
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recipe's folder, with the systems' commands in ``bin``."""
    (tmp_path / "bin").mkdir()
    for name, text in SCRIPTS.items():
        (tmp_path / "bin" / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "path.sh").write_text("export FROM_PATH_SH=yes\nfalse\n")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PATH": f"{folder}/bin:{os.environ['PATH']}", "ee_hosts": "n1 n2"}


def call(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    config = ["--config", str(CONFIGS[script])] if script in CONFIGS else []
    return subprocess.run(
        [UTILS / script, *config, *words],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("script", ["slurm.pl", "queue.pl", "ssh.pl"])
def test_jobs_have_numbers_logs_and_the_environment(folder: Path, script: str) -> None:
    line = ["echo", "job", "JOB", "a b", "&&", "printenv", "FROM_PATH_SH"]
    done = call(folder, script, "--name", "x", "JOB=1:3", "log/x.JOB.log", *line)
    assert (done.returncode, done.stderr) == (0, "")
    for number in (1, 2, 3):
        assert f"\njob {number} a b\nyes\n" in (folder / f"log/x.{number}.log").read_text()
    assert not list((folder / "log").glob("q/*")), "nothing is left of jobs that ended well"


@pytest.mark.parametrize("script", ["slurm.pl", "queue.pl", "ssh.pl"])
def test_one_job_needs_no_number(folder: Path, script: str) -> None:
    assert call(folder, script, "--gpu", "0", "train.log", "echo", "hello").returncode == 0
    assert "\nhello\n" in (folder / "train.log").read_text()


@pytest.mark.parametrize("script", ["slurm.pl", "queue.pl", "ssh.pl"])
def test_failures_are_counted_and_the_first_is_shown(folder: Path, script: str) -> None:
    body = "echo I am JOB; test JOB != 2"
    done = call(folder, script, "JOB=1:3", "log/x.JOB.log", "bash", "-c", body)
    assert done.returncode == 1
    assert f"{script}: job failed, log in log/x.2.log" in done.stderr
    assert "I am 2" in done.stderr and "1 of 3 jobs failed" in done.stderr


@pytest.mark.parametrize(
    ("script", "words", "wanted"),
    [
        ("slurm.pl", ["--gpu", "2", "--num_nodes", "3"], ["--gres=gpu:2", "--nodes=3"]),
        ("slurm.pl", ["--max-jobs-run", "4", "JOB=1:9"], ["--array=1-9%4", "--wait"]),
        ("slurm.pl", ["--name", "me", "--mem", "4G"], ["--job-name=me", "--mem=4G"]),
        ("queue.pl", ["--gpu", "2", "--name", "me"], ["-l\ngpu=2", "-N\nme", "-sync\ny"]),
        ("queue.pl", ["--max-jobs-run", "4", "JOB=1:9"], ["-t\n1-9\n-tc\n4"]),
    ],
)
def test_options_in_the_words_of_the_system(
    folder: Path, script: str, words: list[str], wanted: list[str]
) -> None:
    call(folder, script, *words, "x.JOB.log" if "JOB=1:9" in words else "x.log", "true")
    submitted = (folder / "submitted").read_text()
    assert all(part in submitted for part in wanted), submitted


def test_what_the_configuration_does_not_know_is_an_error(folder: Path) -> None:
    config = folder / "site.conf"
    config.write_text("command sbatch\ndefault gpu=0\noption gpu=0\noption name=*\n")
    words = ["--config", str(config), "--mem", "4G", "x.log", "true"]
    done = call(folder, "slurm.pl", *words)
    assert done.returncode == 1 and "no line 'option mem=...' for --mem 4G" in done.stderr
    config.write_text("command sbatch\nopinion gpu=0\n")
    assert "line 2: want command, option or default" in call(folder, "slurm.pl", *words).stderr
    config.write_text("option name=*\n")
    assert "has no line 'command ...'" in call(folder, "slurm.pl", *words).stderr


def test_a_refused_submission_says_why(folder: Path) -> None:
    done = call(folder, "slurm.pl", "--name", "refuse", "x.log", "true")
    assert done.returncode == 1
    assert "no such partition" in done.stderr and "the job was not taken" in done.stderr


def test_no_hosts_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [UTILS / "ssh.pl", "x.log", "true"],
        env=environment(folder) | {"ee_hosts": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "there are no hosts" in done.stderr


def test_every_host_takes_jobs(folder: Path) -> None:
    call(folder, "ssh.pl", "JOB=1:4", "x.JOB.log", "sleep", "0.2")
    assert set((folder / "hosts").read_text().split()) == {"n1", "n2"}


@pytest.mark.parametrize("script", ["slurm.pl", "queue.pl"])
def test_stopping_it_cancels_its_jobs(folder: Path, script: str) -> None:
    words = [UTILS / script, "--config", CONFIGS[script], "--name", "hold", "x.log", "true"]
    with subprocess.Popen(words, cwd=folder, env=environment(folder)) as process:
        deadline = time.monotonic() + 10
        while not (folder / "submitted").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 128 + signal.SIGTERM
    assert (folder / "cancelled").read_text() == "17\n"
