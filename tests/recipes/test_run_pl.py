"""run.pl: Kaldi's call, a log per job, the failed one's end shown, nothing left running."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

RUN_PL = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE_ee/utils/run.pl"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RUN_PL, *words], capture_output=True, text=True, check=False)


def test_jobs_have_numbers_and_logs(tmp_path: Path) -> None:
    done = run("--max-jobs-run", "2", "JOB=1:3", f"{tmp_path}/log/x.JOB.log", "echo", "number JOB")
    assert (done.returncode, done.stderr) == (0, "")
    for number in (1, 2, 3):
        log = (tmp_path / f"log/x.{number}.log").read_text()
        assert f"\nnumber {number}\n" in log
        assert log.startswith(f"# echo 'number {number}'\n# Started at ")
        assert "# Ended (code 0)" in log


def test_cluster_options_are_accepted_as_launch_gives_them(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    done = run("--name", "x", "--gpu", "0", "--num_threads", "2", str(log), "echo", "a=[1, 2]", "*")
    assert done.returncode == 0
    assert "\na=[1, 2] *\n" in log.read_text()


def test_shell_operators_are_words_of_their_own(tmp_path: Path) -> None:
    run(f"{tmp_path}/log", "echo", "hello", "|", "tr", "a-z", "A-Z")
    assert "\nHELLO\n" in (tmp_path / "log").read_text()


def test_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    script = "for i in $(seq 50); do echo line $i; done; exit $((JOB - 1))"
    done = run("JOB=1:2", f"{tmp_path}/JOB.log", "bash", "-c", script)
    assert done.returncode == 1
    assert "1 of 2 jobs failed" in done.stderr
    assert f"{tmp_path}/2.log" in done.stderr
    assert "line 50" in done.stderr
    assert "line 20\n" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--colour", "red", "x.log", "true"], "unknown option"),
        (["JOB=1:2", "x.log", "true"], "must have JOB in its name"),
        (["JOB=2:1", "x.JOB.log", "true"], "want:"),
        (["x.log"], "want:"),
    ],
)
def test_wrong_calls_are_refused(words: list[str], message: str) -> None:
    done = run(*words)
    assert done.returncode == 1
    assert message in done.stderr


def test_stopping_it_stops_its_jobs(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    script = f"trap 'touch {mark}.stopped; exit' TERM; touch {mark}; sleep 30 & wait"
    with subprocess.Popen([RUN_PL, f"{tmp_path}/log", "bash", "-c", script]) as process:
        while not mark.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 128 + signal.SIGTERM
    deadline = time.time() + 5
    while not mark.with_name("mark.stopped").exists() and time.time() < deadline:
        time.sleep(0.01)
    assert mark.with_name("mark.stopped").exists()
