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
from espnet_ee.unfinished import UNFINISHED


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


def test_a_decoding_cut_short_goes_on_and_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    asr = make_recogniser(tmp_path / "exp")
    asr.batch_size = 2
    lengths = [8000, 9000, 9500, 12000, 7000]
    for index, wave in enumerate(make_waves(lengths)):
        soundfile.write(tmp_path / f"{index}.wav", wave, SAMPLE_RATE)
    scp = tmp_path / "wav.scp"
    scp.write_text("".join(f"u{i} {tmp_path}/{i}.wav\n" for i in range(5)), encoding="utf-8")
    (tmp_path / "text").write_text("".join(f"u{i} A B\n" for i in range(5)), encoding="utf-8")

    def decode(out, reference="A B"):
        (tmp_path / "text").write_text("".join(f"u{i} {reference}\n" for i in range(5)))
        decode_set(asr, DecodeJob(scp, tmp_path / out, None, build_policy("entropy"), -1.5, 0))

    decode("whole")
    calls, original = [], asr.all_exits

    def fails_at_the_third(waves, rules):
        calls.append(len(waves))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(waves, rules)

    monkeypatch.setattr(asr, "all_exits", fails_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        decode("cut")
    unfinished = tmp_path / "cut" / UNFINISHED
    unfinished.write_text(unfinished.read_text()[:-30])  # a power cut leaves half a line
    decode("cut")
    assert calls == [2, 2, 1, 2, 1], "the batch of the half line, and the one that was missing"
    assert not unfinished.exists()
    for path in sorted((tmp_path / "whole").rglob("*")):
        if path.is_file():
            other = tmp_path / "cut" / path.relative_to(tmp_path / "whole")
            assert other.read_bytes() == path.read_bytes()
    # With other references nothing of an interrupted decoding is taken over.
    calls[:] = []
    with pytest.raises(KeyboardInterrupt):
        decode("cut")
    decode("cut", reference="B")
    assert calls == [2, 2, 1, 2, 2, 1]
