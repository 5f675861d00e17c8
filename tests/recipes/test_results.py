"""Every RESULTS.md is what its own command makes of the records beside it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from espnet_ee.bin import main as command

ROOT = Path(__file__).resolve().parents[2]
RESULTS = sorted([*ROOT.glob("egs2/*/RESULTS.md"), *ROOT.glob("egs2/*/records/*/RESULTS.md")])


def undated(path: Path) -> str:
    """Every byte but the day and the commit."""
    text = path.read_bytes().decode("utf-8")
    kinds = r"^(- date|- Git hash|  - Commit date): .*\n"
    assert len(re.findall(kinds, text, re.MULTILINE)) >= 2
    return re.sub(kinds, "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("results", RESULTS, ids=lambda path: path.parent.name)
def test_results_come_from_the_records(results: Path, tmp_path: Path, monkeypatch) -> None:
    found = re.search(r"^espnet-ee (report .*)$", results.read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "it names its command"
    words = shlex.split(found[1])
    place = words.index("--output") + 1
    assert words[place] == "."
    words[place] = str(tmp_path)
    monkeypatch.chdir(results.parent)
    assert command.main(words) == 0
    assert undated(tmp_path / "RESULTS.md").replace(str(tmp_path), ".") == undated(results)
    assert (tmp_path / "wer_vs_cost.png").stat().st_size > 10_000


def test_there_are_results() -> None:
    assert {path.parent.name for path in RESULTS} == {"mini_ee", "an4_ee", "beam"}
