"""The documents tell the truth: commands parse, files exist, tables are those of the results."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

import espnet_ee
from espnet_ee.bin import main as command
from espnet_ee.errors import DataError
from experiments.readme import TABLE, refreshed

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/*.md", "egs2/*/README.md", "benchmarks/*.md")
    for path in sorted(ROOT.glob(pattern))
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUR_FOLDERS = ("espnet_ee/", "egs2/", "conf/", "docs/", "tests/", "benchmarks/", ".ci/")
GENERATED = re.compile(r"egs2/\w+/(data|dump|exp|downloads)\b")


class Command(NamedTuple):
    """One documented command, and the folder it is given in, relative to the checkout."""

    document: str
    folder: Path
    words: list[str]

    def __str__(self) -> str:
        return f"{self.document}: {shlex.join(self.words)}"


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands() -> Iterator[Command]:
    """All commands of all shell blocks and of inline code that starts with a command of ours."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        blocks = [body for language, body in FENCE.findall(text) if language in ("sh", "bash")]
        prose = FENCE.sub("", text)
        blocks += re.findall(r"`((?:make|espnet-ee|\./run\.sh) [^`]+)`", prose)
        for block in blocks:
            yield from split(relative(document), document.parent, block)


def split(document: str, folder: Path, block: str) -> Iterator[Command]:
    """The commands of a shell block one by one, following `cd`; documents in egs2 start there."""
    folder = folder if folder.is_relative_to(ROOT / "egs2") else ROOT
    for line in block.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||[|;]", line):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                words = words[1:]
            if words[:1] == ["cd"]:
                folder = (folder / words[1]).resolve()
            elif words:
                yield Command(document, folder, words)


COMMANDS = list(commands())


def select(*programs: str) -> list[Command]:
    return [c for c in COMMANDS if Path(c.words[0]).name in programs]


def complete(words: list[str]) -> bool:
    """False for a mention such as `espnet-ee --help` or one with `...` in place of arguments."""
    return not any(word in ("--help", "--version", "...", "SUBCOMMAND") for word in words)


def test_the_first_screen_has_the_two_commands_of_a_new_user():
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    assert any(line.startswith("make demo") for line in first)
    assert any(line.startswith("make test") for line in first)


@pytest.mark.parametrize("documented", select("espnet-ee"), ids=str)
def test_espnet_ee_takes_the_documented_options(documented, capsys):
    words = documented.words[1:]
    if words[0] in ("--help", "--version"):
        return
    assert words[0] in command.SUBCOMMANDS
    if not complete(words):
        return
    try:
        command.build_parser(words[0]).parse_args(words[1:])
    except SystemExit:
        pytest.fail(capsys.readouterr().err)


@pytest.mark.parametrize("documented", select("make"), ids=str)
def test_make_has_the_documented_target(documented):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = [word for word in documented.words[1:] if not re.match(r"\w+=|-", word)]
    variables = re.findall(r"(?<=\s)(\w+)=", " " + " ".join(documented.words))
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert all(re.search(rf"^{name} \?=", makefile, re.MULTILINE) for name in variables)


@pytest.mark.parametrize("documented", select("run.sh"), ids=str)
def test_recipes_take_the_documented_options(documented):
    script = (documented.folder / documented.words[0]).resolve()
    assert script.is_file()
    template = (ROOT / "egs2" / "TEMPLATE_ee" / "asr_ee.sh").read_text(encoding="utf-8")
    template += script.read_text(encoding="utf-8")  # a recipe may add options
    options = [
        word[2:].replace("-", "_")
        for word in documented.words
        if word.startswith("--") and " " not in word
    ]
    unknown = [name for name in options if not re.search(rf"^{name}=", template, re.MULTILINE)]
    assert unknown == []


@pytest.mark.parametrize("documented", select("python", "python3"), ids=str)
def test_documented_modules_and_scripts_exist(documented):
    words = documented.words[1:]
    target = words[1].replace(".", "/") + ".py" if words[0] == "-m" else words[0]
    if words[0] == "-m" and not words[1].startswith("espnet_ee"):
        return
    base = ROOT if words[0] == "-m" else documented.folder
    assert (base / target).is_file()


@pytest.mark.parametrize("documented", select("pip"), ids=str)
def test_documented_extras_exist(documented):
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    for word in documented.words:
        if word.startswith(".["):
            extras = Requirement("espnet-ee" + word[1:]).extras
            assert all(f'"{extra}": ' in setup for extra in extras)


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_lead_somewhere(document):
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [
        link
        for link in links
        if link and "://" not in link and not (document.parent / link).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_named_files_exist(document):
    text = FENCE.sub("", document.read_text(encoding="utf-8"))
    named = [word for word in re.findall(r"`([^`\s]+)`", text) if word.startswith(OUR_FOLDERS)]
    named = [word for word in named if not GENERATED.match(word) and "*" not in word]
    bases = (ROOT, document.parent)
    assert [word for word in named if not any((base / word).exists() for base in bases)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_python_examples_use_public_names(document):
    for language, body in FENCE.findall(document.read_text(encoding="utf-8")):
        if language == "python":
            compile(body, relative(document), "exec")
            for names in re.findall(r"^from espnet_ee import (.+)$", body, re.MULTILINE):
                assert set(names.split(", ")) <= set(espnet_ee.__all__)


def test_the_tables_of_the_readme_are_generated_ones():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(TABLE.findall(text)) >= 4
    assert refreshed(text, ROOT) == text, "python -m experiments.readme"


def test_a_stale_row_of_the_readme_is_renewed(tmp_path):
    table = "|policy|speech|WER|\n|---|---|---|\n|entropy|clean|{}|\n"
    (tmp_path / "made.md").write_text(f"# Made\n\n{table.format(2)}|entropy|noise|9|\n")
    readme = f"a <!-- results: made.md, rows by 2 -->\n{table}<!-- end --> b"
    assert refreshed(readme.format(1), tmp_path) == readme.format(2)
    for broken in (readme.replace(", rows by 2", ""), readme.replace("clean", "loud")):
        with pytest.raises(DataError, match=r"made.md has [02] rows"):
            refreshed(broken, tmp_path)
