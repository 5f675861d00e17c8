"""Give numbered jobs to a batch system as one array and wait for all of them.

``slurm.pl`` and ``queue.pl`` are two dialects of this. What a site needs (partition, account, GPU
type) stands in ``--config``, in Kaldi's format:

    command sbatch                       the submitting command
    option gpu=* --gres=gpu:$0           what --gpu N becomes; $0 is its value
    option gpu=0 --partition=cpu         a value of its own comes before *
    default gpu=0                        where the option is not given

Each job is a script that goes to this folder, reads path.sh and runs its command. It leaves
``LOGDIR/q/NAME.NUMBER.done`` when it ends well: an exit code alone does not say which jobs failed.
"""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jobs

PATIENCE_SEC = 60  # of network file systems


@dataclass
class Dialect:
    """One batch system.

    Attributes:
        wait: Options that make the submitting command wait for the jobs.
        array: Option for the jobs' numbers, ``{numbers}``.
        at_most: The same where only ``{most}`` jobs may run at a time.
        log: Option for the log, with ``{log}``.
        log_number: What stands for a job's number in ``{log}``.
        variable: Environment variable that holds the job's number.
        cancel: Command that takes a job id.
    """

    wait: list
    array: list
    at_most: list
    log: list
    log_number: str
    variable: str
    cancel: str


def read_config(path):
    """``command`` and rules ``(option, value) -> words`` and ``option -> default`` of a file."""
    command, rules, defaults = [], {}, {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        words = line.partition("#")[0].split(None, 2)
        if not words:
            continue
        pair = re.fullmatch(r"(\w+)=(\S+)", words[1]) if len(words) > 1 else None
        if words[0] == "command" and len(words) > 1:
            command = shlex.split(line.partition("#")[0])[1:]
        elif words[0] == "default" and pair:
            defaults[pair[1]] = pair[2]
        elif words[0] == "option" and pair:
            rules[pair[1], pair[2]] = words[2] if len(words) > 2 else ""
        else:
            jobs.fail(f"{path}, line {number}: want command, option or default: {line}")
    if not command:
        jobs.fail(f"{path} has no line 'command ...'")
    return command, rules, defaults


def translate(options, rules, defaults):
    """Options of the call in the words of the batch system."""
    words = []
    for name, value in {**defaults, **options}.items():
        rule = rules.get((name, value), rules.get((name, "*")))
        if rule is None and name not in ("config", "max_jobs_run"):
            jobs.fail(f"the configuration has no line 'option {name}=...' for --{name} {value}")
        words += shlex.split((rule or "").replace("$0", value))
    return words


def script_of(call, dialect, folder):
    """The text of the batch script."""
    number = f"${{{dialect.variable}:-{call.numbers[0]}}}"
    cases = "\n".join(f"    {n}) {call.shell_line(n)} ;;" for n in call.numbers)
    return f"""#!/usr/bin/env bash
cd {shlex.quote(str(Path.cwd()))}
. ./path.sh
set -e -o pipefail
number={number}
if [ "${{number}}" = undefined ]; then number={call.numbers[0]}; fi  # SGE, without an array
echo "# Started at $(date) on $(hostname)"
case "${{number}}" in
{cases}
esac
echo "# Ended (code 0) at $(date), ${{SECONDS}} s"
touch {shlex.quote(str(folder))}/"${{number}}.done"
"""


def main(dialect):
    """Run the call of the command line."""
    call = jobs.parse(sys.argv[1:])
    if "config" not in call.options:
        jobs.fail("--config FILE is missing: how this site wants jobs, e.g. conf/slurm.conf")
    command, rules, defaults = read_config(call.options["config"])
    name = call.options.setdefault("name", Path(call.log).name.split(".")[0])
    folder = Path(call.log).absolute().parent / "q" / f"{name}.{time.time_ns()}"
    folder.mkdir(parents=True)
    script = folder / "job.sh"
    script.write_text(script_of(call, dialect, folder), encoding="utf-8")
    words = [*command, *translate(call.options, rules, defaults), *dialect.wait]
    words += _array(call, dialect)
    log = call.named(str(Path(call.log).absolute()).replace("%", "%%"), dialect.log_number)
    words += [word.format(log=log) for word in dialect.log]
    ended_well = _submit([*words, str(script)], dialect)
    unfinished = [n for n in call.numbers if not _seen(folder / f"{n}.done", ended_well)]
    jobs.report_failures([call.named(call.log, n) for n in unfinished], len(call.numbers))
    shutil.rmtree(folder)


def _submit(words, dialect):
    """Submit and wait; stopped itself, it cancels the jobs. Returns whether all ended well."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as submitted:
        said = submitted.stdout.readline()
        found = re.search(r"\d+", said)
        if found is None:
            submitted.wait()
            jobs.fail(
                f"the job was not taken: {shlex.join(words)} said: {said.strip() or 'nothing'}"
            )

        def stop(signum, _frame):
            subprocess.run([dialect.cancel, found[0]], check=False)
            submitted.terminate()
            sys.exit(128 + signum)

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        submitted.stdout.read()
    return submitted.returncode == 0


def _seen(path, expected):
    """Whether a file is there; one that is expected may come late through a network file system."""
    deadline = time.monotonic() + (PATIENCE_SEC if expected else 0)
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.5)
    return path.exists()


def _array(call, dialect):
    if not call.variable:
        return []
    most = call.options.get("max_jobs_run")
    words = dialect.array if most is None else dialect.at_most
    numbers = f"{call.numbers[0]}-{call.numbers[-1]}"
    return [word.format(numbers=numbers, most=most) for word in words]
