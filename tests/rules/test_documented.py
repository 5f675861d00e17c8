"""docs/rules.md: its commands run as they stand on a made record, and its numbers are right."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from model_factory import make_experiment, make_waves
from record_factory import make_record, save

from espnet_ee.bin.main import main
from espnet_ee.record_format import RecordedPolicy
from espnet_ee.rules.curves import METHODS
from espnet_ee.rules.fitting import GATES
from espnet_ee.rules.risk import control_risk

TEXT = (Path(__file__).resolve().parents[2] / "docs/rules.md").read_text(encoding="utf-8")
SHELL = list(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model, its development record and a recording, where the text has them."""
    import soundfile

    from espnet_ee.host.checkpoint import sha256_of

    exp = make_experiment(tmp_path / "exp/asr_demo")
    names = ("entropy", "confidence", "spelling", "known_words")
    record = make_record(
        150,
        speakers=10,
        checkpoint_sha256=sha256_of(exp / "valid.cer_ctc.ave.pth"),
        policies={name: RecordedPolicy("unit", 1, True) for name in names},
    )
    save(with_spelling(record), exp / "inference_asr_model_valid.cer_ctc.ave/dev/record.jsonl.gz")
    soundfile.write(tmp_path / "a.wav", make_waves([16000])[0], 16000, subtype="FLOAT")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def with_spelling(record):
    """Of scores that know something: looking back by chance would be worse than any exit."""

    def known(utterance):
        exits = (
            replace(exit, scores={**exit.scores, "spelling": exit.scores["entropy"]})
            for exit in utterance.exits
        )
        return replace(utterance, exits=tuple(exits))

    return replace(record, utterances=tuple(map(known, record.utterances)))


def test_the_commands(folder, capsys):
    [dev] = re.findall(r"^dev=(\S+)$", TEXT, re.MULTILINE)
    lines = [line for block in SHELL for line in block.splitlines() if line.startswith("espnet")]
    assert len(lines) == 5
    for line in lines:
        assert main(shlex.split(line.replace("$dev", dev))[1:]) == 0, capsys.readouterr().err
    assert "a.wav\tlayer" in capsys.readouterr().out
    assert (folder / "reliability.png").exists()


def test_the_python(folder, capsys):
    test_the_commands(folder, capsys)
    [code] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(compile(code, "docs/rules.md", "exec"), {})
    assert "logistic gate" in capsys.readouterr().out


def test_every_gate_and_map_is_described():
    assert all(f"`--gate {gate}`" in TEXT for gate in GATES)
    assert all(f"--map {method}`" in TEXT for method in METHODS)


def test_the_least_that_a_hundred_utterances_can_promise():
    scores, losses = np.zeros((100, 2)), np.zeros((100, 2))
    assert not control_risk(scores, losses, 0.0311, 0.95).fell_back
    assert control_risk(scores, losses, 0.0304, 0.95).fell_back
