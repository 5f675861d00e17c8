"""Heads, weights, distillation and LayerDrop against linear heads and equal weights."""

from __future__ import annotations

from pathlib import Path

from experiments.kinds import kind_lines
from experiments.writing import write_results

SETS = ("test", "train_dev")
BASE = "linear"
TITLES = {
    "linear": "linear heads, equal weights",
    "attention": "attention heads",
    "bilstm": "BiLSTM heads",
    "depth": "weights by depth",
    "sequence": "0.3 sequence distillation from the last exit",
    "frame": "0.3 frame distillation from the last exit",
    "layer_drop": "LayerDrop 0.1",
    "single_drop": "one exit and LayerDrop 0.1, its head at every depth",
}
HEAD = """\
# RESULTS

Made by `./run.sh`; do not edit. Word error rates in per cent, greedy CTC, with 95 % intervals by
resampling speakers, errors of all seeds together. p: permutations of speakers, two-sided, Holm's
correction over the table."""


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    return "\n".join([*HEAD.splitlines(), *kind_lines(records, SETS, TITLES, BASE)]) + "\n"


if __name__ == "__main__":
    write_results(results, __doc__)
