"""Measured latency: what is kept, and what is refused."""

import json

import pytest

from espnet_ee.errors import DataError
from espnet_ee.latency import Setting
from espnet_ee.measured import RANDOM_WEIGHTS, MeasuredLatency

HERE = Setting("0" * 64, "cpu", "some processor", 1)


def measured(setting: Setting = HERE) -> MeasuredLatency:
    return MeasuredLatency(
        setting=setting,
        date="2026-01-01T00:00:00+00:00",
        source="noise of 5 s",
        layers=(2, 4),
        parameters=(1000, 2000),
        utterances=10,
        audio_sec=50.0,
        p50_ms=(10.0, 20.0),
        p95_ms=(11.0, 22.5),
        rtf=(0.002, 0.004),
    )


def test_saved_and_read_again_it_is_the_same(tmp_path):
    path = tmp_path / "latency.json"
    measured().save(path)
    assert MeasuredLatency.load(path) == measured()
    values = json.loads(path.read_text())
    assert (values["format"], values["version"]) == ("espnet-ee-measured-latency", 1)


def test_it_tells_random_weights():
    random = Setting(RANDOM_WEIGHTS, "cpu", "some processor", 1)
    assert measured(random).random_weights and not measured().random_weights


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda v: v.pop("date"), "no date"),
        (lambda v: v.update(more=1), "unknown more"),
        (lambda v: v.update(setting=3), "3 where an object is wanted"),
        (lambda v: v["setting"].pop("cpu"), "no cpu"),
        (lambda v: v["setting"].update(threads=0), "0 is no whole number above 0"),
        (lambda v: v["setting"].update(cpu=None), "None is no text"),
        (lambda v: v["rtf"].pop(), "rtf: 1 values for 2 exits"),
        (lambda v: v.update(layers=[4, 2]), "layers do not increase"),
        (lambda v: v.update(layers=[]), "layers do not increase"),
        (lambda v: v.update(parameters=[1.5, 2]), "1.5 is no whole number"),
        (lambda v: v.update(utterances=True), "True is no whole number"),
        (lambda v: v.update(p50_ms=3), "not iterable"),
        (lambda v: v.update(p50_ms=[float("nan"), 2]), "nan is no positive number"),
        (lambda v: v.update(p50_ms=[12, 2]), "p50_ms above p95_ms"),
        (lambda v: v.update(audio_sec="5"), "'5' is no positive number"),
    ],
)
def test_a_damaged_file_tells_what_is_damaged(damage, told, tmp_path):
    path = tmp_path / "latency.json"
    measured().save(path)
    values = json.loads(path.read_text())
    damage(values)
    path.write_text(json.dumps(values))
    with pytest.raises(DataError, match="holds a damaged measured latency") as caught:
        MeasuredLatency.load(path)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no measured latency"),
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"[]", "is no measured latency"),
        (b"{}", "is no measured latency of this version"),
        (b'{"format": "espnet-ee-latency"}', "is no measured latency of this version"),
        (b'{"format": "espnet-ee-measured-latency", "version": 2}', "of this version"),
    ],
)
def test_what_is_no_measured_latency(content, told, tmp_path):
    path = tmp_path / "latency.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        MeasuredLatency.load(path)
    assert told in str(caught.value) and "fix:" in str(caught.value)
    assert "espnet-ee cost EXP --measure --save EXP/latency.json" in str(caught.value)
