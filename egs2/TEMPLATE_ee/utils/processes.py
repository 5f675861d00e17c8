"""Run jobs as child processes, as many at a time as there are places; each writes its own log."""

import concurrent.futures
import contextlib
import os
import queue
import shutil
import signal
import subprocess
import time
from pathlib import Path

import jobs

running = set()
# A job does not outlive the script, however that ended.
TIED = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


def run_all(call, places, argv_of):
    """Run every job of a call; a failed one is reported and ends the script.

    Args:
        call: See ``jobs.parse``.
        places: Where jobs run: one entry for each that may run at a time.
        argv_of: ``(place, line of bash)`` to the words of the child process.
    """
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    free = queue.SimpleQueue()
    for place in places:
        free.put(place)

    def run(number):
        place, line = free.get(), call.shell_line(number)
        try:
            return _run(argv_of(place, line), line, call.named(call.log, number))
        finally:
            free.put(place)

    with concurrent.futures.ThreadPoolExecutor(len(places)) as pool:
        codes = dict(zip(call.numbers, pool.map(run, call.numbers), strict=True))
    failed = [call.named(call.log, number) for number, code in codes.items() if code != 0]
    jobs.report_failures(failed, len(codes))


def _run(argv, line, log):
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    started = time.time()
    with open(log, "w", encoding="utf-8") as stream:
        stream.write(f"# {line}\n# Started at {time.ctime(started)}\n#\n")
        stream.flush()
        job = subprocess.Popen(
            [*TIED, *argv],
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


def _stop(signum, _frame):
    """Stop what still runs; each job has a process group of its own."""
    for job in list(running):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGTERM)
    os._exit(128 + signum)
