"""The table of all trainings, from their records: word error rate of every exit, over seeds."""

from __future__ import annotations

from pathlib import Path

from experiments.kinds import kind_lines
from experiments.writing import write_results

SETS = ("test_clean", "test_noisy")
TITLES = {
    "ctc": "CTC, from scratch",
    "aed": "CTC and attention, from scratch, CTC texts",
    "aed_attention": "the same, attention texts",
    "distillation": "CTC, 0.3 sequence distillation from the last exit",
    "layer_drop": "CTC, LayerDrop 0.1",
    "retrofit": "one exit first, then BiLSTM heads on the frozen model",
    "hubert_ee": "HuBERT-EE: small HuBERT, one exit first, then attention branches",
}


HEAD = """\
# RESULTS

Made by `python summarise.py records`; do not edit. Word error rates in per cent, with
95 % intervals by resampling speakers, errors of all seeds together."""


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    return "\n".join([*HEAD.splitlines(), *kind_lines(records, SETS, TITLES)]) + "\n"


if __name__ == "__main__":
    write_results(results, __doc__)
