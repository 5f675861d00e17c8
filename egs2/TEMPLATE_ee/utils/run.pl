#!/usr/bin/env python3
"""Run a command, or numbered copies of it, on this machine; each writes its own log.

run.pl [--max-jobs-run N] [--gpu N] [--num_threads N] [--mem M] [--name X] \
    [JOB=1:4] log.JOB.log COMMAND ARGUMENT.JOB...

The behaviour and the name are those of Kaldi's script (a Perl program), because espnet2.bin.launch
looks at the name. --gpu, --num_threads, --mem, --time, --config and --name, which are meant for
clusters, are accepted and change nothing. Written anew; no Perl is needed.
"""

import concurrent.futures
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

IGNORED = {"--gpu", "--num-threads", "--mem", "--time", "--config", "--name", "--num-nodes"}
OPERATORS = {"|", "||", "&&", ";", "<", ">", ">>", "2>", "2>&1"}  # as separate words, as in Kaldi
TAIL_LINES = 20

running = set()


def fail(message):
    sys.exit(f"run.pl: error: {message}")


def parse(words):
    """Split the command line into (most jobs at once, variable, numbers, log, command)."""
    most = os.cpu_count() or 1
    while words and words[0].startswith("-"):
        option = words[0].replace("_", "-")
        if len(words) < 2 or option not in IGNORED | {"--max-jobs-run"}:
            fail(f"unknown option, or one without value: {words[0]}")
        if option == "--max-jobs-run":
            most = int(words[1])
        words = words[2:]
    variable, numbers = "", [1]
    found = re.fullmatch(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?", words[0]) if words else None
    if found:
        variable = found[1]
        numbers = list(range(int(found[2]), int(found[3] or found[2]) + 1))
        words = words[1:]
    if len(words) < 2 or not numbers:
        fail("want: [JOB=1:N] LOG COMMAND...")
    if len(numbers) > 1 and variable not in words[0]:
        fail(f"the log of several jobs must have {variable} in its name: {words[0]}")
    return most, variable, numbers, words[0], words[1:]


def shell_line(words):
    return " ".join(w if w in OPERATORS else shlex.quote(w) for w in words)


def run(command, log):
    """Run one job and return its exit code."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with open(log, "w", encoding="utf-8") as stream:
        stream.write(f"# {command}\n# Started at {time.ctime(started)}\n#\n")
        stream.flush()
        job = subprocess.Popen(
            ["bash", "-c", f"set -e -o pipefail\n{command}"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        running.add(job)
        code = job.wait()
        running.discard(job)
        stream.write(f"# Accounting: time={time.time() - started:.0f} threads=1\n")
        stream.write(f"# Ended (code {code}) at {time.ctime()}\n")
    return code


def show_failure(log):
    lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    print(f"run.pl: job failed, log in {log}; its end:", file=sys.stderr)
    for line in lines[-TAIL_LINES:]:
        print(f"  {line}", file=sys.stderr)


def stop(signum, _frame):
    """Stop what still runs; each job has a process group of its own."""
    for job in list(running):
        try:
            os.killpg(job.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    os._exit(128 + signum)


def main():
    most, variable, numbers, log, words = parse(sys.argv[1:])
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    jobs = []
    for number in numbers:
        named = [w.replace(variable, str(number)) if variable else w for w in [log, *words]]
        jobs.append((shell_line(named[1:]), named[0]))
    with concurrent.futures.ThreadPoolExecutor(max(1, min(most, len(jobs)))) as pool:
        codes = list(pool.map(lambda job: run(*job), jobs))
    failed = [job[1] for job, code in zip(jobs, codes) if code != 0]
    if failed:
        show_failure(failed[0])
        print(f"run.pl: {len(failed)} of {len(jobs)} jobs failed", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
