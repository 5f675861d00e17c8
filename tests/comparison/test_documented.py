"""docs/compare.md: its commands run, and its example is what the first prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from espnet_ee.bin.main import main

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^espnet-ee (compare .*)$", TEXT, re.MULTILINE)


def test_the_example_is_what_the_command_prints(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(shlex.split(COMMANDS[0])) == 0
    [example] = re.findall(r"```\n(A: .*?)```\n", TEXT, re.DOTALL)
    assert capsys.readouterr().out == example


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_the_other_commands_run(command, monkeypatch, tmp_path):
    words = shlex.split(command)
    words = [str(ROOT / word) if (ROOT / word).exists() else word for word in words]
    monkeypatch.chdir(tmp_path)
    assert main([*words, "--resamples", "100"]) == 0
    if "--output" in words:
        assert (tmp_path / words[words.index("--output") + 1]).read_text().startswith("table,set")


def test_it_names_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    options = set(re.findall(r"(--[a-z-]+)", capsys.readouterr().out)) - {"--help", "--output"}
    assert {option for option in options if option not in TEXT} == set()
