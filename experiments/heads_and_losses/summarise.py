"""Heads, weights, distillation and LayerDrop against linear heads and equal weights."""

from __future__ import annotations

from pathlib import Path

from espnet_ee.comparison.testing import holm
from espnet_ee.errors import DataError
from espnet_ee.report.seeds import Trainings, difference, kinds_table, load_seeds, seeds_table
from espnet_ee.report.tables import markdown
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


def differences(found: list[Trainings]) -> list[str]:
    """Each kind against linear heads, exit by exit."""
    base = next((one for one in found if one.kind == BASE), None)
    if base is None:
        return []
    others = [one for one in found if one is not base and set(one.seeds) & set(base.seeds)]
    layers = base.scored[0].header.exits
    table = [
        (one, layer, difference(one, base, layer, layer)) for one in others for layer in layers
    ]
    adjusted = holm([found.p for _, _, found in table])
    rows = [
        [
            TITLES[one.kind],
            str(layer),
            ", ".join(map(str, less.seeds)),
            f"{100 * less.points:+.1f} ({100 * less.low:+.1f} - {100 * less.high:+.1f})",
            f"{p:.3f}",
        ]
        for (one, layer, less), p in zip(table, adjusted, strict=True)
    ]
    columns = ("training", "exit", "seeds", f"WER points over {TITLES[BASE]}", "p, Holm")
    return ["", *markdown(columns, rows)] if rows else []


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    lines = HEAD.splitlines()
    for set_name in SETS:
        found = [load_seeds(records, kind, set_name) for kind in TITLES]
        found = [one for one in found if one.seeds]
        if not found:
            raise DataError(f"no records of {set_name}", got=str(records), fix="./run.sh")
        lines += ["", f"## {set_name}", "", *kinds_table(found, TITLES), *differences(found)]
        lines += ["", *seeds_table(found, TITLES)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_results(results, __doc__)
