"""Clean and noisy speech: exits, overthinking, where policies stop, what calibration keeps."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from experiments.conditions import SHARE, condition_lines
from experiments.figures import draw_conditions
from experiments.writing import write_results

DEV = "train_dev"
SETS = {
    "test": "clean",
    "test_snr20": "20 dB",
    "test_snr10": "10 dB",
    "test_snr05": "5 dB",
    "test_snr00": "0 dB",
}
HEAD = f"""\
# RESULTS

Made by `./run.sh`; do not edit. AN4's test set with babble of four training speakers added; the
models heard no noise in training. Everything in per cent, means over seeds, with 95 % intervals by
resampling speakers. Thresholds are those that cost {100 * SHARE:.0f} % of the last exit on {DEV},
which is clean; so are the fits of the calibration."""


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    return "\n".join([*HEAD.splitlines(), *condition_lines(records, SETS, DEV)]) + "\n"


if __name__ == "__main__":
    write_results(results, __doc__, partial(draw_conditions, sets=SETS, dev=DEV))
