"""Speech of the training's domains and of another: exits, overthinking, policies, calibration."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from experiments.conditions import SHARE, condition_lines
from experiments.figures import draw_conditions
from experiments.writing import write_results

DEV = "dev"
SETS = {
    "an4_test": "AN4",
    "ls_test": "LibriSpeech mini",
    "so_adults": "speechocean762, adults",
    "so_children": "speechocean762, children",
}
HEAD = f"""\
# RESULTS

Made by `./run.sh`; do not edit. Models trained on AN4 and LibriSpeech mini; speechocean762,
non-native English, is new to them. Everything in per cent, means over seeds, with 95 % intervals by
resampling speakers. Thresholds are those that cost {100 * SHARE:.0f} % of the last exit on the
development speakers of both training corpora; the fits of the calibration are from there, too."""


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    return "\n".join([*HEAD.splitlines(), *condition_lines(records, SETS, DEV)]) + "\n"


if __name__ == "__main__":
    write_results(results, __doc__, partial(draw_conditions, sets=SETS, dev=DEV))
