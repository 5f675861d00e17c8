"""Exits trained together against single-exit models of every depth, from their records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from espnet_ee.errors import DataError
from espnet_ee.report.seeds import Trainings, difference, differences_table, load_seeds
from espnet_ee.report.tables import markdown
from experiments.figures import draw_exits
from experiments.writing import FIGURE, write_results

DEV, SETS = "train_dev", ("test", "train_dev")
LAYERS = (2, 4, 6, 8, 10, 12)
RATES = {"high": "0.003", "low": "0.001"}
TITLES = {
    "joint": "six exits, trained together",
    "single": "single-exit models, one of each depth",
    "longer": "single-exit model of 12 blocks, three times the updates",
    "truncated": "single-exit model of 12 blocks, its head at every depth",
}


HEAD = f"""\
# RESULTS

Made by `./run.sh`; do not edit. Word error rates in per cent, greedy CTC, with 95 % intervals by
resampling speakers, errors of all seeds together. Seed 0 is trained at two learning rates,
{" and ".join(RATES.values())}; all seeds are taken at the one whose last exit then has the lower
WER on {DEV}; where only one was run, at that one. p: permutations of speakers, two-sided, Holm's
correction over the table."""


def choose_rate(records: Path, kind: str) -> str | None:
    """The learning rate whose trainings have the lower WER on dev; None where there are none.

    Over the seeds that both have, if both have any.
    """
    found = {rate: load_seeds(records, f"{kind}_{rate}", DEV) for rate in RATES}
    found = {rate: one for rate, one in found.items() if one.seeds}
    common = set.intersection(*(set(one.seeds) for one in found.values())) if found else set()

    def wer(rate: str) -> float:
        one = found[rate]
        kept = [index for index, seed in enumerate(one.seeds) if seed in common or not common]
        return float(one.rates[kept, -1].mean())

    return min(found, key=wer) if found else None


def chosen(records: Path) -> dict[str, str]:
    """Kind without its learning rate -> with the better one. Truncation follows its model."""
    kinds = ["joint", *(f"single{layer:02d}" for layer in LAYERS), "longer"]
    rates = {kind: choose_rate(records, kind) for kind in kinds}
    if rates["single12"] is not None:
        rates["truncated"] = rates["single12"]
    return {kind: f"{kind}_{rate}" for kind, rate in rates.items() if rate}


def load_models(records: Path, set_name: str) -> dict[str, Trainings]:
    """Kind -> its trainings at the better learning rate."""
    models = {kind: load_seeds(records, name, set_name) for kind, name in chosen(records).items()}
    return {kind: one for kind, one in models.items() if one.seeds}


def exits_table(models: dict[str, Trainings]) -> list[str]:
    """One row per way to train."""
    rows = []
    for kind in ("joint", "longer", "truncated"):
        if kind in models:
            one = models[kind]
            cells = dict(zip(one.scored[0].header.exits, one.cells(), strict=True))
            filled = [cells.get(layer, "") for layer in LAYERS]
            rows.append([TITLES[kind], seeds_text([one]), *filled])
    singles = {layer: models.get(f"single{layer:02d}") for layer in LAYERS}
    cells = [one.cells()[0] if one else "" for one in singles.values()]
    rows.insert(1, [TITLES["single"], seeds_text([one for one in singles.values() if one]), *cells])
    return markdown(("training", "seeds", *(f"exit {layer}" for layer in LAYERS)), rows)


def seeds_text(found: Sequence[Trainings]) -> str:
    """The seeds that all have; more of some in brackets."""
    if not found:
        return ""
    common = set.intersection(*(set(one.seeds) for one in found))
    more = set.union(*(set(one.seeds) for one in found)) - common
    text = ", ".join(map(str, sorted(common)))
    return f"{text} (some: {', '.join(map(str, sorted(more)))})" if more else text


def differences(models: dict[str, Trainings]) -> list[str]:
    """What training together gains or costs at each depth."""
    if "joint" not in models:
        return []
    joint, found = models["joint"], []
    for kind in ("single", "longer", "truncated"):
        for layer in LAYERS:
            other = models.get(f"single{layer:02d}" if kind == "single" else kind)
            there = other and layer in other.scored[0].header.exits
            if there and set(other.seeds) & set(joint.seeds):
                found.append((TITLES[kind], layer, difference(joint, other, layer, layer)))
    columns = ("six exits, trained together, less", "WER points (95 %)")
    return ["", *differences_table(found, columns)] if found else []


def seed_table(models: dict[str, Trainings]) -> list[str]:
    """Every training on its own, at the learning rate that was taken."""
    rows = []
    for kind, one in models.items():
        rate = RATES[one.kind.rpartition("_")[2]]
        for seed, rates in zip(one.seeds, one.rates, strict=True):
            cells = dict(zip(one.scored[0].header.exits, rates, strict=True))
            shown = [f"{100 * cells[layer]:.1f}" if layer in cells else "" for layer in LAYERS]
            rows.append([kind, rate, str(seed), *shown])
    columns = ("training", "learning rate", "seed", *(f"exit {layer}" for layer in LAYERS))
    return markdown(columns, rows)


def results(records: Path) -> str:
    """The whole of RESULTS.md."""
    if not chosen(records):
        raise DataError("no records of any training", got=str(records), fix="./run.sh")
    lines = [*HEAD.splitlines(), "", f"![WER of every exit on {SETS[0]}]({FIGURE})"]
    for set_name in SETS:
        models = load_models(records, set_name)
        lines += ["", f"## {set_name}", "", *exits_table(models)]
        if set_name != DEV:  # on which rates and checkpoints were chosen
            lines += differences(models)
        lines += ["", *seed_table(models)]
    return "\n".join(lines) + "\n"


def draw(records: Path, path: Path) -> None:
    """The exits of the first set."""
    models = load_models(records, SETS[0])
    singles = [one for kind, one in models.items() if kind.startswith("single")]
    groups = {
        kind: singles if kind == "single" else [models[kind]] if kind in models else []
        for kind in TITLES
    }
    draw_exits({TITLES[kind]: group for kind, group in groups.items() if group}, path)


if __name__ == "__main__":
    write_results(results, __doc__, draw)
