"""Tables of kinds of training on several sets: WER, and what each has over one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from espnet_ee.errors import DataError
from espnet_ee.report.seeds import (
    Trainings,
    difference,
    differences_table,
    kinds_table,
    load_seeds,
    seeds_table,
)


def kind_lines(
    records: Path, sets: Sequence[str], titles: Mapping[str, str], base: str | None = None
) -> list[str]:
    """A section of Markdown for each set.

    Args:
        records: ``<kind>/seed<N>/<set>/record.jsonl.gz``; kinds may be missing.
        sets: In order of their sections.
        titles: Kind -> what it is called, in order of the rows.
        base: The kind that all others are compared with, exit by exit; None: no such table.

    Raises:
        DataError: No record of a set.
    """
    lines = []
    for set_name in sets:
        found = [load_seeds(records, kind, set_name) for kind in titles]
        found = [one for one in found if one.seeds]
        if not found:
            raise DataError(f"no records of {set_name}", got=str(records), fix="./run.sh")
        lines += ["", f"## {set_name}", "", *kinds_table(found, titles)]
        if base is not None:
            lines += _differences(found, titles, base)
        lines += ["", *seeds_table(found, titles)]
    return lines


def _differences(found: Sequence[Trainings], titles: Mapping[str, str], base: str) -> list[str]:
    """Each kind less the base at every exit; nothing where they share no seed."""
    (against,) = [one for one in found if one.kind == base] or [None]
    if against is None:
        return []
    table = [
        (titles[one.kind], layer, difference(one, against, layer, layer))
        for one in found
        if one is not against and set(one.seeds) & set(against.seeds)
        for layer in against.scored[0].header.exits
    ]
    columns = ("training", f"WER points over {titles[base]} (95 %)")
    return ["", *differences_table(table, columns)] if table else []
