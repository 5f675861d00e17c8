#!/usr/bin/env python3
"""Run a command, or numbered copies of it, on the hosts named in $ee_hosts; see jobs.py.

The hosts see this folder under the same path and take this user's key. A host that stands twice in
``ee_hosts`` takes two jobs at a time. For training on several of them there is
``espnet2.bin.launch --host``.
"""

import os
import shlex
import sys
from pathlib import Path

import jobs
import processes

CARRIED = ("OMP_NUM_THREADS", "PYTHON", "PYTHONPATH", "VIRTUAL_ENV", "HF_HOME", "TORCH_HOME")
# The terminal (-tt) ends the job on the host when the connection ends.
SSH = ["ssh", "-tt", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]


def remote(host, line):
    """The words that run a line of bash on a host, in this folder, with path.sh read."""
    carried = [f"export {k}={shlex.quote(os.environ[k])}" for k in CARRIED if k in os.environ]
    script = [*carried, f"cd {shlex.quote(str(Path.cwd()))}", ". ./path.sh"]
    script += ["set -e -o pipefail", line]
    return [*SSH, host, f"bash -c {shlex.quote('; '.join(script))}"]


def main():
    call = jobs.parse(sys.argv[1:])
    hosts = os.environ.get("ee_hosts", "").split()
    if not hosts:
        jobs.fail('there are no hosts; set them in cmd.sh, e.g. ee_hosts="node1 node1 node2"')
    processes.run_all(call, hosts, remote)


if __name__ == "__main__":
    main()
