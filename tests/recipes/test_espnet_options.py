"""docs/espnet_options.md names every option of asr_ee.sh once, with the default it has."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs/espnet_options.md").read_text(encoding="utf-8")


def defaults() -> dict[str, str]:
    script = (ROOT / "egs2/TEMPLATE_ee/asr_ee.sh").read_text(encoding="utf-8")
    options = script.partition("# options begin")[2].partition("# options end")[0]
    return dict(re.findall(r"^([a-z_]+)=(\S*)", options, re.MULTILINE))


def test_every_option_is_compared_and_its_default_is_right() -> None:
    same, ours = (DOCUMENT.split("\n## ")[number] for number in (1, 2))
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| ?([^|]*?) ?\|", same, re.MULTILINE)
    alone = re.findall(r"^\| `(\w+)` \|", ours, re.MULTILINE)
    listed = dict(rows)
    assert len(rows) == len(listed)
    assert listed.keys() | set(alone) == defaults().keys()
    assert {name: defaults()[name] for name in listed} == {
        name: "20.0" if name == "max_wav_duration" else value for name, value in rows
    }
