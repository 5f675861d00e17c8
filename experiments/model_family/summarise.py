"""The table of all trainings, from their records: word error rate of every exit, over seeds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from espnet_ee.errors import DataError
from espnet_ee.report.seeds import Trainings, load_seeds
from espnet_ee.report.tables import markdown

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


def table(trainings: Sequence[Trainings]) -> list[str]:
    """One row per training."""
    layers = trainings[0].scored[0].header.exits
    columns = ("training", "parameters", "seeds", *(f"exit {layer}" for layer in layers))
    rows = [
        (
            TITLES[one.kind],
            f"{one.scored[0].header.num_parameters:,}",
            ", ".join(map(str, one.seeds)),
            *one.cells(),
        )
        for one in trainings
    ]
    return markdown(columns, rows)


def seed_table(trainings: Sequence[Trainings]) -> list[str]:
    """The same, every seed on its own."""
    layers = trainings[0].scored[0].header.exits
    rows = [
        (TITLES[one.kind], str(seed), *(f"{100 * rate:.1f}" for rate in rates))
        for one in trainings
        for seed, rates in zip(one.seeds, one.rates, strict=True)
    ]
    return markdown(("training", "seed", *(f"exit {layer}" for layer in layers)), rows)


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
        lines += ["", f"## {set_name}", "", *table(trainings), "", *seed_table(trainings)]
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
