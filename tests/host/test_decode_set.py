"""Decoding a set: problems that are known beforehand show beforehand."""

from __future__ import annotations

import pytest
import soundfile
import torch
from model_factory import SAMPLE_RATE, make_recogniser, make_waves

from espnet_ee.errors import DataError
from espnet_ee.host.decode_set import DecodeJob, decode_set
from espnet_ee.policies import build_policy
from espnet_ee.records import read_record


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


def test_a_record_says_how_exact_its_products_were(tmp_path):
    asr = make_recogniser(tmp_path / "exp")
    soundfile.write(tmp_path / "a.wav", make_waves([8000])[0], SAMPLE_RATE)
    (tmp_path / "wav.scp").write_text(f"a {tmp_path / 'a.wav'}\n", encoding="utf-8")
    said = {}
    for precision in ("highest", "medium"):
        out = tmp_path / precision
        torch.set_float32_matmul_precision(precision)
        try:
            job = DecodeJob(tmp_path / "wav.scp", out, None, build_policy("layer"), 4.0, 0)
            decode_set(asr, job)
        finally:
            torch.set_float32_matmul_precision("highest")
        said[precision] = read_record(next(out.rglob("record.jsonl.gz"))).header.decoding
    assert said["medium"] == f"{said['highest']}, float32 products in medium precision"
