#!/usr/bin/env python3
"""Run a command, or numbered copies of it as a job array, on Grid Engine; see batch.py."""

import batch

SGE = batch.Dialect(
    wait=["-sync", "y"],
    array=["-t", "{numbers}"],
    at_most=["-t", "{numbers}", "-tc", "{most}"],
    log=["-j", "y", "-o", "{log}"],
    log_number="$TASK_ID",
    variable="SGE_TASK_ID",
    cancel="qdel",
)

if __name__ == "__main__":
    batch.main(SGE)
