"""Stands in for sbatch and qsub: notes its words, runs the array here, one job after the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

GREETINGS = {
    "sbatch": "Submitted batch job 17",
    "qsub": 'Your job-array 17.1-3:1 ("x") has been submitted',
}


def run_job(script: str, log: str, number: int | None) -> int:
    """One job of the array; without an array Grid Engine calls its number undefined."""
    name = "undefined" if number is None else str(number)
    environment = os.environ | {"SGE_TASK_ID": name}
    if number is not None:
        environment["SLURM_ARRAY_TASK_ID"] = name
    with open(log.replace("%a", name).replace("$TASK_ID", name), "w") as stream:
        job = subprocess.run(["bash", script], env=environment, stdout=stream, stderr=stream)
    return job.returncode


def main() -> None:
    system, *words = sys.argv[1:]
    line = " ".join(words)
    Path("submitted").write_text("\n".join(words))
    if "refuse" in line:
        sys.exit("no such partition")
    sys.stdout.write(f"{GREETINGS[system]}\n")
    sys.stdout.flush()
    if "hold" in line:
        time.sleep(30)
    found = re.search(r"(?:--array=|-t )(\d+)-(\d+)", line)
    numbers = range(int(found[1]), int(found[2]) + 1) if found else [None]
    log = re.search(r"(?:--output=|-o )(\S+)", line)
    assert log is not None
    sys.exit(max(run_job(words[-1], log[1], number) for number in numbers))


if __name__ == "__main__":
    main()
