"""NIST's scoring toolkit, of Debian's package sctk: word errors and tests by its programs."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

REASON = "needs NIST's scoring toolkit (Debian: apt install sctk)"
needs_sctk = pytest.mark.skipif(shutil.which("sctk") is None, reason=REASON)


def write_trn(path: Path, texts: Sequence[str]) -> Path:
    """One line for each text; speakers are blocks of a hundred."""
    lines = (f"{text} (s{number // 100}_{number:05d})\n" for number, text in enumerate(texts))
    path.write_text("".join(lines), encoding="utf-8")
    return path


def aligned(references: Sequence[str], hypotheses: Sequence[str], folder: Path, name: str) -> str:
    """What sclite writes of its alignment, ``sgml``; case matters, as in our own scoring."""
    return _sclite(references, hypotheses, folder, name, "sgml")


def kinds_of(sgml: str) -> list[str]:
    """Of each text in turn the kinds of its alignment: C, S, D, I."""
    found = re.findall(r'<PATH id="\(s\d+_(\d+)\)"[^>]*>\n(.*?)\n?</PATH>', sgml, re.DOTALL)
    return ["".join(re.findall(r'(?:^|:)([CSDI]),(?=[",])', path)) for _, path in sorted(found)]


def mapsswe(first: str, second: str) -> dict[str, float]:
    """What ``sc_stats`` says of two systems whose ``sgml`` these are."""
    words = ["sctk", "sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "-"]
    said = subprocess.run(
        words, input=first + second, capture_output=True, text=True, check=True
    ).stdout
    line = next(line for line in said.splitlines() if line.startswith("MTCH_PR_RESULTS"))
    names = {"segments": "# segs", "mean": "mean", "spread": "std dev", "z": "Z Stat"}
    return {key: float(re.search(rf"\({n}: *(\S+)\)", line)[1]) for key, n in names.items()}


def totals(references: Sequence[str], hypotheses: Sequence[str], folder: Path) -> dict[str, int]:
    """The sums of sclite's own report, counts: ``Snt``, ``Wrd``, ``Err`` and so on."""
    said = _sclite(references, hypotheses, folder, "hyp", "rsum")
    line = next(line for line in said.splitlines() if re.match(r"\s*\| *Sum ", line))
    names = ("Snt", "Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err")
    return dict(zip(names, map(int, re.findall(r"\d+", line)), strict=True))


def _sclite(
    references: Sequence[str], hypotheses: Sequence[str], folder: Path, name: str, report: str
) -> str:
    reference = write_trn(folder / "ref.trn", references)
    hypothesis = write_trn(folder / f"{name}.trn", hypotheses)
    options = ["-i", "rm", "-s", "-e", "utf-8", "-o", report, "stdout"]
    words = ["sctk", "sclite", "-r", str(reference), "trn", "-h", str(hypothesis), "trn", *options]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
