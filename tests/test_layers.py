"""The three layers: core, host, commands. Dependencies point downward only, heavy ones are late."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "espnet_ee"
COMPAT = PACKAGE / "host" / "compat.py"
SOURCES = sorted(PACKAGE.rglob("*.py"))
ESPNET = ("espnet", "espnet2", "espnet3", "espnetez")
HARD_CAP_LINES = 400  # per file; the aim is 250


# The lazy public names and `python -m espnet_ee` point at every layer by design.
ENTRANCES = (PACKAGE / "__init__.py", PACKAGE / "__main__.py")


def room(path: Path) -> str:
    """The first folder below espnet_ee: `host`, `bin`, ..., or `` for top-level modules."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def is_core(path: Path) -> bool:
    return room(path) not in ("host", "bin") and path not in ENTRANCES


def imports(tree: ast.AST, path: Path) -> Iterator[str]:
    """Full names of all modules imported at any depth, relative imports resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            folder = path.relative_to(ROOT).parent.parts
            base = folder[: len(folder) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def without_type_checking(tree: ast.Module) -> ast.Module:
    """The tree less `if TYPE_CHECKING:`, which never runs."""
    kept = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"))
    ]
    return ast.Module(body=kept, type_ignores=[])


def in_package(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_only_the_compat_module_imports_espnet(path):
    if path == COMPAT:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [name for name in imports(tree, path) if in_package(name, *ESPNET)] == []


@pytest.mark.parametrize("path", [p for p in SOURCES if room(p) != "host"], ids=relative)
def test_only_the_host_names_espnet_modules(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    strings = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    assert [text for text in strings if re.fullmatch(r"espnet[23]?(\.\w+)+", text)] == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_dependencies_point_downward(path):
    tree = without_type_checking(ast.parse(path.read_text(encoding="utf-8")))
    above = {"": ("host", "bin"), "host": ("bin",), "bin": ()}[
        "" if is_core(path) else (room(path) or "bin")
    ]
    names = [f"espnet_ee.{layer}" for layer in above]
    assert [name for name in imports(tree, path) if in_package(name, *names)] == []


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_holds_one_idea(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= HARD_CAP_LINES


@pytest.mark.parametrize("path", [p for p in SOURCES if room(p) == "bin"], ids=relative)
def test_commands_hold_no_logic(path):
    """They parse, call and print: no arithmetic libraries at module level, no classes of data."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert classes == (["Parser"] if path.name == "main.py" else [])
    top = ast.Module(body=[n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))])
    heavy = ("numpy", "scipy", "torch", "torchaudio", "matplotlib", "jiwer")
    assert [name for name in imports(top, path) if in_package(name, *heavy)] == []


@pytest.mark.parametrize(
    "words",
    [["--help"], *([name, "--help"] for name in ("sweep", "compare", "report"))],
    ids=" ".join,
)
def test_help_is_quick_and_imports_nothing_heavy(words):
    code = (
        "import json, sys, time\n"
        "from espnet_ee.bin.main import main\n"
        "try:\n    main(sys.argv[1:])\n"
        "except SystemExit as end:\n    code = end.code\n"
        "print(json.dumps([code, time.process_time(), sorted(sys.modules)]), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, cwd=ROOT
    )
    exit_code, cpu_sec, modules = json.loads(done.stderr)
    assert exit_code == 0
    assert done.stdout.startswith("usage: espnet-ee")
    heavy = {"torch", "torchaudio", "matplotlib", *ESPNET}
    assert heavy.isdisjoint(modules)
    assert cpu_sec < 1.0, f"--help took {cpu_sec:.2f} s of CPU time"
