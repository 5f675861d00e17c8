"""The table of all trainings, from their records: word error rate of every exit, over seeds."""

from __future__ import annotations

import argparse
from pathlib import Path

from espnet_ee.errors import DataError
from espnet_ee.report.seeds import kinds_table, load_seeds, seeds_table

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


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    lines = [
        "# RESULTS",
        "",
        "Made by `python summarise.py records`; do not edit. Word error rates in per cent, with",
        "95 % intervals by resampling speakers, errors of all seeds together.",
    ]
    for set_name in SETS:
        loaded = [load_seeds(records, name, set_name) for name in TITLES]
        trainings = [one for one in loaded if one.seeds]
        if not trainings:
            raise DataError(f"no records of {set_name}", got=str(records), fix="./run.sh")
        lines += [
            "",
            f"## {set_name}",
            "",
            *kinds_table(trainings, TITLES),
            "",
            *seeds_table(trainings, TITLES),
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=Path)
    parser.add_argument("--out", type=Path, default=Path("RESULTS.md"))
    args = parser.parse_args()
    args.out.write_text(results(args.records), encoding="utf-8")


if __name__ == "__main__":
    main()
