"""What pip sees: names, versions, requirements, and the files that make up a release."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import setuptools
import yaml
from packaging.requirements import Requirement

import espnet_ee.version

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "espnet_model_zoo": "espnet-model-zoo",
    "flashlight": "flashlight-text",
    "vl_convert": "vl-convert-python",
}  # where the name on the index differs from the module's
IN_CORE_OF_ESPNET = {"espnet", "espnet2", "editdistance", "librosa", "tqdm", "typeguard"}


@pytest.fixture
def metadata(monkeypatch):
    """The arguments of setup(), as written, without building anything."""
    seen = {}
    monkeypatch.setattr(setuptools, "setup", lambda **arguments: seen.update(arguments))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    return seen


def requirements_on(metadata: dict[str, Any], python: str) -> dict[str, Requirement]:
    """The requirements that hold on this Python, by name."""
    parsed = map(Requirement, metadata["install_requires"])
    environment = {"python_version": python}
    return {r.name: r for r in parsed if r.marker is None or r.marker.evaluate(environment)}


def test_the_version_comes_from_one_place(metadata):
    version = espnet_ee.version.__version__
    assert metadata["version"] == version
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version
    assert version in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_python_3_11_gets_the_last_espnet_for_it(metadata):
    wanted = requirements_on(metadata, "3.11")
    assert str(wanted["espnet"].specifier) == "==202511"
    assert wanted["espnet"].extras == set()


@pytest.mark.parametrize("python", ["3.12", "3.13"])
def test_newer_pythons_get_the_slim_espnet_with_its_asr_extra(metadata, python):
    wanted = requirements_on(metadata, python)
    assert str(wanted["espnet"].specifier) == "==202611"
    assert wanted["espnet"].extras == {"asr"}


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_one_torch_pair_serves_all(metadata, python):
    wanted = requirements_on(metadata, python)
    assert str(wanted["torch"].specifier) == str(wanted["torchaudio"].specifier) == "==2.11.0"


def test_sentencepiece_is_left_to_espnet(metadata):
    assert str(requirements_on(metadata, "3.11")["sentencepiece"].specifier) == ""


def test_no_extra_brings_espnets_train_extra(metadata):
    extras = [Requirement(line) for lines in metadata["extras_require"].values() for line in lines]
    assert "espnet" not in {requirement.name for requirement in extras}
    assert {"train", "report", "test", "dev"} <= set(metadata["extras_require"])


def test_every_import_is_declared(metadata):
    declared = {Requirement(line).name.lower() for line in metadata["install_requires"]}
    for extra in ("train", "beam", "huggingface", "hub"):
        declared |= {Requirement(line).name.lower() for line in metadata["extras_require"][extra]}
    imported = set()
    for path in (ROOT / "espnet_ee").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"espnet_ee"} - IN_CORE_OF_ESPNET
    assert {DISTRIBUTIONS.get(name, name) for name in foreign} <= declared


def test_every_folder_with_code_is_packaged(metadata):
    folders = {path.parent for path in (ROOT / "espnet_ee").rglob("*.py")}
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert names == set(metadata["packages"])


def test_the_licence_is_there_in_full(metadata):
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert metadata["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("script", [".ci/run"])
def test_scripts_parse_and_are_executable(script):
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", ROOT / script], check=True)


def make(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    environment.pop("PYTHON", None)
    return subprocess.run(
        ["make", *words], cwd=ROOT, capture_output=True, text=True, env=environment
    )


def test_make_names_an_interpreter_that_does_not_exist():
    done = make("demo", "PYTHON=python-of-nobody")
    assert done.returncode != 0
    assert "there is no working interpreter python-of-nobody" in done.stderr
    assert "fix:  make demo PYTHON=" in done.stderr


def test_make_refuses_an_interpreter_that_is_too_old(tmp_path):
    """A stand-in for Python 3.10: answers the version question so, and fails the check."""
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\ncase "$2" in *print*) echo 3.10;; *) exit 1;; esac\n')
    old.chmod(0o755)
    done = make("test", f"PYTHON={old}")
    assert done.returncode != 0
    assert "is Python 3.10" in done.stderr
    assert "want: Python 3.11" in done.stderr


def test_another_interpreter_gets_an_environment_of_its_own():
    default = make("-n", "test")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = make("-n", "test", f"PYTHON={sys.executable}")
    assert "/.venv/bin" in default.stdout
    assert f"/.venv-{version}/bin" in other.stdout
