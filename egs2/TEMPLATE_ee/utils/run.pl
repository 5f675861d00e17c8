#!/usr/bin/env python3
"""Run a command, or numbered copies of it, on this machine; each writes its own log.

The behaviour and the name are those of Kaldi's script (a Perl program), because espnet2.bin.launch
looks at the name; the call is described in jobs.py. Options meant for clusters are accepted and
change nothing. Written anew; no Perl is needed.
"""

import os
import sys

import jobs
import processes


def main():
    call = jobs.parse(sys.argv[1:])
    most = int(call.options.get("max_jobs_run", os.cpu_count() or 1))
    places = ["this machine"] * max(1, min(most, len(call.numbers)))
    processes.run_all(
        call, places, lambda _place, line: ["bash", "-c", f"set -e -o pipefail\n{line}"]
    )


if __name__ == "__main__":
    main()
