"""Exits on a small HuBERT of our own, four ways to train, against the same net from scratch."""

from __future__ import annotations

from pathlib import Path

from experiments.kinds import kind_lines
from experiments.writing import write_results

SETS = ("an4_test", "ls_test", "so_adults", "so_children")
BASE = "scratch"
TITLES = {
    "scratch": "not pre-trained, six exits together",
    "joint": "pre-trained, six exits together",
    "two_stage": "pre-trained, one exit first, then heads on the frozen model",
    "mixed": "pre-trained, one exit first, then six together",
    "frozen": "pre-trained, frozen body, heads only",
}
HEAD = """\
# RESULTS

Made by `./run.sh`; do not edit. Word error rates in per cent, greedy CTC, with 95 % intervals by
resampling speakers, errors of all seeds together. p: permutations of speakers, two-sided, Holm's
correction over the table."""


def results(records: Path) -> str:
    """The whole of RESULTS.md; sets without a record, as --quick leaves, have no section."""
    there = [name for name in SETS if any(records.glob(f"*/seed*/{name}"))] or SETS
    return "\n".join([*HEAD.splitlines(), *kind_lines(records, there, TITLES, BASE)]) + "\n"


if __name__ == "__main__":
    write_results(results, __doc__)
