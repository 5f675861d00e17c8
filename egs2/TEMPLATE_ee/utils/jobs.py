"""What the job scripts share: the call of Kaldi's scripts, and what is shown of a failed job.

[--max-jobs-run N] [--gpu N] [--num_threads N] [--num_nodes N] [--mem M] [--time T] [--name X] \\
    [--config FILE] [JOB=1:4] log.JOB.log COMMAND ARGUMENT.JOB...

In log and arguments JOB becomes the number of the job.
"""

import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

OPTIONS = ("gpu", "num_threads", "num_nodes", "mem", "time", "name", "config", "max_jobs_run")
OPERATORS = {"|", "||", "&&", ";", "<", ">", ">>", "2>", "2>&1"}  # as separate words, as in Kaldi
TAIL_LINES = 20


@dataclass
class Call:
    """One call: options that were given, the numbers of the jobs, their log, their command."""

    options: dict = field(default_factory=dict)
    variable: str = ""
    numbers: list = field(default_factory=lambda: [1])
    log: str = ""
    command: list = field(default_factory=list)

    def named(self, text, number):
        """``text`` with the number of a job in it."""
        return text.replace(self.variable, str(number)) if self.variable else text

    def shell_line(self, number):
        """The command of one job as a line of bash."""
        return " ".join(_quote(self.named(word, number)) for word in self.command)


def fail(message):
    """End with one line, under the name of the script that was called."""
    sys.exit(f"{Path(sys.argv[0]).name}: error: {message}")


def parse(words):
    """Read a command line, without the script's own name."""
    call = Call()
    while words and words[0].startswith("-"):
        option = words[0].lstrip("-").replace("-", "_")
        if len(words) < 2 or option not in OPTIONS:
            fail(f"unknown option, or one without value: {words[0]}")
        call.options[option] = words[1]
        words = words[2:]
    found = re.fullmatch(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?", words[0]) if words else None
    if found:
        call.variable = found[1]
        call.numbers = list(range(int(found[2]), int(found[3] or found[2]) + 1))
        words = words[1:]
    if len(words) < 2 or not call.numbers:
        fail("want: [JOB=1:N] LOG COMMAND...")
    if len(call.numbers) > 1 and call.variable not in words[0]:
        fail(f"the log of several jobs must have {call.variable} in its name: {words[0]}")
    call.log, call.command = words[0], words[1:]
    return call


def report_failures(logs, total):
    """Show the end of the first log and end with exit code 1, if there are ``logs`` of failures."""
    if not logs:
        return
    name, path = Path(sys.argv[0]).name, Path(logs[0])
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    print(f"{name}: job failed, log in {path}; its end:", file=sys.stderr)
    for line in text.splitlines()[-TAIL_LINES:] or ["(there is no log: the job did not start)"]:
        print(f"  {line}", file=sys.stderr)
    print(f"{name}: {len(logs)} of {total} jobs failed", file=sys.stderr)
    sys.exit(1)


def _quote(word):
    return word if word in OPERATORS else shlex.quote(word)
