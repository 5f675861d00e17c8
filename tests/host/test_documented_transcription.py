"""``docs/transcription.md``: its commands and its Python run as they are written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
from model_factory import make_experiment, make_waves

from espnet_ee.bin.main import main as espnet_ee

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "transcription.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT.read_text("utf-8"), re.MULTILINE | re.DOTALL)
COMMANDS = [line for kind, body in BLOCKS if kind == "sh" for line in body.splitlines()]
PYTHON = "\n".join(body for kind, body in BLOCKS if kind == "python")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder: an experiment, a short and a long file."""
    folder = tmp_path_factory.mktemp("user")
    make_experiment(folder / "exp" / "asr_demo", encoder_conf={"input_layer": "conv2d"})
    short, long = make_waves([2 * 16_000, 33 * 16_000])
    soundfile.write(folder / "a.wav", short, 16_000)
    soundfile.write(folder / "talk.flac", np.clip(long, -1, 1), 16_000)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command, folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    program, *words = shlex.split(command)
    assert program == "espnet-ee" and espnet_ee(words) == 0
    assert capfd.readouterr().out or "--output-dir" in words


def test_python(folder, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    names = {"wave": make_waves([32_000])[0]}
    exec(PYTHON, names)
    assert len(names["found"].pieces) > 1
    assert len(capfd.readouterr().out.splitlines()) > len(names["found"].pieces)
