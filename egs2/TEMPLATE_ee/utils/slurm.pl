#!/usr/bin/env python3
"""Run a command, or numbered copies of it as a job array, on a Slurm cluster; see batch.py.

The name is that of Kaldi's script: espnet2.bin.launch starts several nodes through it by srun.
"""

import batch

SLURM = batch.Dialect(
    wait=["--wait"],
    array=["--array={numbers}"],
    at_most=["--array={numbers}%{most}"],
    log=["--output={log}"],
    log_number="%a",
    variable="SLURM_ARRAY_TASK_ID",
    cancel="scancel",
)

if __name__ == "__main__":
    batch.main(SLURM)
