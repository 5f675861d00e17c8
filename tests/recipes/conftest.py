"""A recipe folder with a tiny corpus, its run.sh, and a stand-in for training and decoding."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "egs2/TEMPLATE_ee"
TEXTS = ("ONE TWO THREE", "FOUR FIVE SIX", "SEVEN EIGHT", "NINE TEN ELEVEN")
RUN_SH = """#!/usr/bin/env bash
set -euo pipefail
./asr_ee.sh --lang en --ngpu 0 --nj 1 --inference_nj 2 --train_set train --valid_set dev \\
    --test_sets "test" --token_type char \\
    --asr_config train.yaml \\
    "$@"
"""
DATA_SH = """#!/usr/bin/env bash
set -euo pipefail
echo "options: $*"
for part in train dev test; do
    "${PYTHON}" -m espnet_ee.data.librispeech "corpus/${part}" "data/${part}"
done
"""
# Training and decoding take their place in this Python, so that no stage imports ESPnet's tasks.
PYTHON = """#!/usr/bin/env bash
if [ "${{2:-}}" = espnet_ee.bin.asr_train ] || [ "${{2:-}}" = espnet_ee.bin.asr_inference ]; then
    exec {python} {stand_in} "$2" "${{@:3}}"
fi
exec {python} "$@"
"""


@dataclass
class Recipe:
    """A recipe folder; ``run`` calls its run.sh."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        with self.start(*options, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            output, errors = running.communicate()
        return subprocess.CompletedProcess(running.args, running.returncode, output, errors)

    def start(
        self, *options: str, script: str = "run.sh", **settings: Any
    ) -> subprocess.Popen[str]:
        """The recipe at work; ``settings`` are those of ``Popen``."""
        environment = os.environ | {"PYTHON": str(self.folder / "python")} | self.environment
        words = [f"./{script}", *options]
        return subprocess.Popen(words, cwd=self.folder, env=environment, text=True, **settings)

    def add_script(self, name: str, text: str) -> None:
        """A file that can be run; ``name`` counts from the recipe's folder."""
        write_script(self.folder / name, text)

    def succeed(self, *options: str) -> str:
        done = self.run(*options)
        assert done.returncode == 0, last_words(done)
        return done.stdout

    def fail(self, *options: str) -> str:
        done = self.run(*options)
        assert done.returncode == 1, last_words(done)
        return done.stderr


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """What a reader needs first where a log is cut: the end, with the reason."""
    return f"exit code {done.returncode}\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"


def write_script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def write_corpus(root: Path) -> None:
    noise = np.random.default_rng(0)
    for part, speaker in (("train", 1), ("dev", 2), ("test", 3)):
        folder = root / part / f"{speaker}/1"
        folder.mkdir(parents=True)
        lines = [f"{speaker}-1-{n} {text}\n" for n, text in enumerate(TEXTS)]
        (folder / f"{speaker}-1.trans.txt").write_text("".join(lines))
        for n in range(len(TEXTS)):
            samples = 0.1 * noise.standard_normal(4_000 + 1_000 * n)
            soundfile.write(folder / f"{speaker}-1-{n}.flac", samples, 16_000)


def prepare(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links to the template, and this Python with the stand-in."""
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    for name in ("asr_ee.sh", "path.sh", "cmd.sh"):
        (folder / name).symlink_to(TEMPLATE / name)
    stand_in = Path(__file__).with_name("stand_in.py")
    write_script(folder / "python", PYTHON.format(python=sys.executable, stand_in=stand_in))


@pytest.fixture
def librispeech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """The recipe egs2/librispeech_ee without the data it may have made; stands in as ``recipe``."""
    original = ROOT / "egs2/librispeech_ee"
    prepare(tmp_path, monkeypatch)
    (tmp_path / "conf").symlink_to(ROOT / "conf")
    for name in ("run.sh", "db.sh"):
        shutil.copy(original / name, tmp_path)
    shutil.copytree(original / "local", tmp_path / "local")
    for name in ("LIBRISPEECH", "OPENSLR"):
        monkeypatch.delenv(name, raising=False)
    return Recipe(tmp_path)


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A fresh recipe; its ``python`` is this one with a stand-in for training and decoding."""
    prepare(tmp_path, monkeypatch)
    (tmp_path / "local").mkdir()
    write_script(tmp_path / "run.sh", RUN_SH)
    write_script(tmp_path / "local/data.sh", DATA_SH)
    (tmp_path / "train.yaml").write_text("max_epoch: 1\n")
    write_corpus(tmp_path / "corpus")
    return Recipe(tmp_path)
