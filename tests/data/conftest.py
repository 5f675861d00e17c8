"""A tiny data directory with real audio files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_ee.data.kaldi import DataDir, write_data_dir

MakeSet = Callable[..., Path]


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """``make_set(name, utterances=..., seconds=...)`` writes a directory of seeded noise."""

    def make(name: str, utterances: int = 5, seconds: float = 0.2) -> Path:
        folder = tmp_path / name
        (folder / "audio").mkdir(parents=True)
        noise = np.random.default_rng(0)
        ids = [f"spk{n % 2}-{n:03d}" for n in range(utterances)]
        for number, utt_id in enumerate(ids):
            samples = 0.1 * noise.standard_normal(round(16_000 * seconds) + number)
            soundfile.write(folder / "audio" / f"{utt_id}.wav", samples, 16_000)
        wav_scp = {i: str(folder / "audio" / f"{i}.wav") for i in ids}
        data = DataDir(wav_scp, dict.fromkeys(ids, "ONE TWO"), {i: i[:4] for i in ids})
        write_data_dir(folder, data)
        return folder

    return make
