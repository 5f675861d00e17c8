"""docs/limits.md runs as it stands, but for numbers that belong to another model."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import soundfile
from model_factory import make_experiment, make_waves

from espnet_ee.bin.main import main as espnet_ee
from espnet_ee.host.decode_set import DecodeJob, decode_set
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.latency import LatencyProfile
from espnet_ee.policies import build_policy
from espnet_ee.records import read_record
from espnet_ee.replay import stop_gflops
from espnet_ee.scored_set import score_set

TEXT = (Path(__file__).resolve().parents[1] / "docs/limits.md").read_text(encoding="utf-8")
GFLOPS, RTF = "0.06", "0.05"  # of the demo's model, in the text


@pytest.fixture(scope="module")
def waveforms():
    return make_waves([16000, 24000, 9000], seed=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, waveforms):
    """An experiment and a development record where the text has them."""
    folder = tmp_path_factory.mktemp("documented")
    asr = EarlyExitSpeech2Text.from_exp(make_experiment(folder / "exp/asr_demo"))
    for name, wave in zip("abc", waveforms, strict=True):
        soundfile.write(folder / f"{name}.wav", wave, 16000)
    lines = "".join(f"{name} {folder}/{name}.wav\n" for name in "abc")
    (folder / "wav.scp").write_text(lines, encoding="utf-8")
    (folder / "text").write_text("a A B\nb B\nc C\n", encoding="utf-8")
    job = DecodeJob(folder / "wav.scp", folder / "dev", None, build_policy("layer"), 4.0, 0)
    decode_set(asr, job)
    return folder


@pytest.fixture(scope="module")
def gflops(folder):
    """A mean cost that this model can hold."""
    dev = score_set(read_record(folder / "dev/record.jsonl.gz"))
    return f"{stop_gflops(dev, 'entropy').sum(axis=0)[1] / dev.seconds.sum():.6f}"


def test_its_commands_and_examples_run(folder, gflops, waveforms, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    for line in "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)).splitlines():
        if "--target-rtf" in line:
            profile = LatencyProfile.load("profile.json")
            line = line.replace(RTF, f"{profile.ms(1.0)[1] / 1000:.6f}")
        words = shlex.split(line.replace(GFLOPS, gflops).replace("*.wav", "a.wav b.wav c.wav"))
        assert words[0] == "espnet-ee"
        assert espnet_ee(words[1:]) == 0, capfd.readouterr().err
        files = sum(word.endswith(".wav") for word in words)
        lines = capfd.readouterr().out.splitlines()
        assert len(lines) == files if files else lines
    names = {"waveforms": waveforms[:2]}
    shown = []
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(code.replace(GFLOPS, gflops), "docs/limits.md", "exec"), names)
        shown.append(len(capfd.readouterr().out.splitlines()))
    assert shown == [2, 2]
