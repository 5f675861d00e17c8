"""Decoding a set: problems that are known beforehand show beforehand."""

from __future__ import annotations

import pytest
import soundfile
from model_factory import SAMPLE_RATE, make_recogniser, make_waves

from espnet_ee.errors import DataError
from espnet_ee.host.decode_set import DecodeJob, decode_set
from espnet_ee.policies import build_policy


def test_a_header_that_cannot_be_written_shows_before_the_decoding(tmp_path, monkeypatch):
    asr = make_recogniser(tmp_path / "exp")
    monkeypatch.setattr(asr, "all_exits", lambda *_: pytest.fail("it decoded first"))
    data = tmp_path / "my data"
    data.mkdir()
    soundfile.write(data / "a.wav", make_waves([8000])[0], SAMPLE_RATE)
    (data / "wav.scp").write_text(f"a {data / 'a.wav'}\n", encoding="utf-8")
    job = DecodeJob(data / "wav.scp", tmp_path / "out", None, build_policy("layer"), 4.0, 0)
    with pytest.raises(DataError, match=r"header: wrong fields(.|\n)*'my data' is not a"):
        decode_set(asr, job)
    assert not list(tmp_path.glob("out/*"))
