"""Outputs of decoding jobs: joined per exit under ESPnet's names, nothing lost, nothing twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from espnet_ee.data.join_outputs import NAMES, join_set
from espnet_ee.errors import DataError
from espnet_ee.records import (
    ExitHypothesis,
    RecordHeader,
    RecordWriter,
    UtteranceRecord,
    read_record,
)

HEADER = RecordHeader("test", (2, 4), 4, {}, "config.yaml", "a.pth", "0" * 64, {}, 0, 1, 10, 30)


def write_job(output: Path, ids: Sequence[str]) -> Path:
    """What one decoding job leaves behind."""
    for exit_name in ("", "exit02", "exit04"):
        folder = output / exit_name / "1best_recog"
        folder.mkdir(parents=True)
        for name in NAMES:
            (folder / name).write_text("".join(f"{i} {name}{exit_name}\n" for i in reversed(ids)))
    exits = (ExitHypothesis("", (), {}), ExitHypothesis("A", (1,), {}))
    with RecordWriter(output / "record.jsonl.gz", HEADER) as writer:
        for utt_id in ids:
            costs = {
                "body_gflops": (1.0, 2.0),
                "head_gflops": (0.1, 0.1),
                "text_gflops": (0.0, 0.0),
            }
            writer.write(UtteranceRecord(utt_id, None, "A", 1.0, 10, exits=exits, **costs))
    return output


def test_every_exit_becomes_an_inference_tag(tmp_path: Path) -> None:
    jobs = [write_job(tmp_path / "1", ["b", "c"]), write_job(tmp_path / "2", ["a"])]
    join_set(jobs, tmp_path / "exp/decode", "test", {"a", "b", "c"})
    for exit_name in ("", "exit02", "exit04"):
        tag = f"decode_{exit_name}" if exit_name else "decode"
        text = (tmp_path / "exp" / tag / "test/text").read_text()
        assert text == "".join(f"{i} text{exit_name}\n" for i in "abc")
        assert (tmp_path / "exp" / tag / "test/score").exists()
    record = read_record(tmp_path / "exp/decode/test/record.jsonl.gz")
    assert {utterance.utt_id for utterance in record.utterances} == {"a", "b", "c"}


def test_lost_utterances_are_named(tmp_path: Path) -> None:
    jobs = [write_job(tmp_path / "log/1", ["a"])]
    with pytest.raises(DataError, match="1 of 2 utterances were not decoded") as caught:
        join_set(jobs, tmp_path / "exp/decode", "test", {"a", "b"})
    assert f"{tmp_path}/log/asr_inference.*.log" in str(caught.value)


def test_utterances_of_two_jobs_are_refused(tmp_path: Path) -> None:
    jobs = [write_job(tmp_path / "1", ["a"]), write_job(tmp_path / "2", ["a"])]
    with pytest.raises(DataError, match="repeats utterances of another job"):
        join_set(jobs, tmp_path / "exp/decode", "test", {"a"})
