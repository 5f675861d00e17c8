"""Records: what is written is what is read, and damage is named by file and line."""

import gzip
import json
import math
from dataclasses import replace

import pytest
from record_factory import make_header, make_record, save

from espnet_ee.errors import DataError
from espnet_ee.records import RecordWriter, merge_records, read_record


def lines_of(path):
    return [json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8")]


def write_lines(path, lines):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(
            (line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines
        )
    return path


@pytest.fixture
def saved(tmp_path):
    return save(make_record(4), tmp_path / "record.jsonl.gz")


@pytest.mark.parametrize("seed", range(5))
def test_reading_gives_back_what_was_written(tmp_path, seed):
    record = make_record(20, exits=(1, 3, 4), seed=seed)
    path = save(record, tmp_path / "deep" / "record.jsonl.gz")
    assert read_record(path) == record


def test_equal_records_are_equal_bytes(tmp_path):
    first, second = (save(make_record(5), tmp_path / name).read_bytes() for name in "ab")
    assert first == second


def test_a_nan_score_is_null_in_the_file_and_nan_again(tmp_path):
    record = make_record(1)
    utterance = record.utterances[0]
    unknown = replace(utterance.exits[0], scores={"entropy": math.nan, "confidence": 0.5})
    utterance = replace(utterance, exits=(unknown, *utterance.exits[1:]))
    path = save(replace(record, utterances=(utterance,)), tmp_path / "r.gz")
    assert lines_of(path)[1]["exits"][0]["scores"] == {"entropy": None, "confidence": 0.5}
    assert math.isnan(read_record(path).utterances[0].exits[0].scores["entropy"])


def test_the_cost_of_texts_is_kept_where_there_is_one(tmp_path):
    record = make_record(2)
    searched = replace(record.utterances[0], text_gflops=(0.0, 0.5, 0.75))
    record = replace(record, utterances=(searched, record.utterances[1]))
    path = save(record, tmp_path / "r.gz")
    assert read_record(path) == record
    _, first, second = lines_of(path)
    assert first["text_gflops"] == [0.0, 0.5, 0.75] and "text_gflops" not in second


def test_the_file_has_the_fields_of_the_format(saved):
    header, first, *_ = lines_of(saved)
    assert header["format"] == "espnet-ee-record" and header["version"] == 1
    assert header["vocab_size"] == 500 and header["policies"]["entropy"] == {
        "unit": "-nats/frame",
        "score_flops_per_posterior": 3,
        "reads_posteriors": True,
        "score_flops_per_frame": 0,
    }
    assert header["exits"] == [2, 4, 6] and set(header["checkpoint"]) == {"path", "sha256"}
    assert set(first) == {
        "id", "speaker", "ref", "seconds", "frames", "body_gflops", "head_gflops", "exits"
    }  # fmt: skip


def test_the_floor_is_optional(saved):
    header, *rest = lines_of(saved)
    del header["floor_gflops_per_second"]
    assert read_record(write_lines(saved, [header, *rest])).header.floor_gflops_per_second is None


def test_an_interrupted_writer_leaves_the_old_file(saved):
    before = saved.read_bytes()
    with pytest.raises(KeyboardInterrupt), RecordWriter(saved, make_header()):
        raise KeyboardInterrupt
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_nothing_stands_under_the_name_while_writing(tmp_path):
    path = tmp_path / "record.jsonl.gz"
    with RecordWriter(path, make_header()) as writer:
        writer.write(make_record(1).utterances[0])
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize("infinity", [math.inf, -math.inf])
def test_the_writer_refuses_an_infinite_score(tmp_path, infinity):
    utterance = make_record(1).utterances[0]
    wrong = replace(utterance.exits[0], scores={"entropy": infinity, "confidence": 0.5})
    broken = replace(utterance, exits=(wrong, *utterance.exits[1:]))
    message = "utterance spk00-00000: exit at layer 2: wrong fields"
    with (
        pytest.raises(DataError, match=message),
        RecordWriter(tmp_path / "r.gz", make_header()) as writer,
    ):
        writer.write(broken)
    assert list(tmp_path.iterdir()) == []


def put(line, key, value):
    def change(lines):
        lines[line][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(0, "version", 2), r":1: a record of another version.\n.*got:  version 2"),
        (put(0, "format", "other"), r":1: wrong fields(.|\n)*format='other' is not"),
        (put(0, "exits", [4, 2, 6]), r":1: exits are wrong(.|\n)*num_layers=6"),
        (put(0, "exits", [2, 4]), ":1: exits are wrong"),
        (put(0, "policies", {"p": "nats"}), ":1: policy p: not a JSON object"),
        (
            put(0, "policies", {"p": {"unit": "nats"}}),
            r":1: policy p(.|\n)*reads_posteriors is miss",
        ),
        (put(0, "vocab_size", None), r":1: wrong fields(.|\n)*vocab_size=None"),
        (put(0, "extra", 1), r":1: wrong fields(.|\n)*extra is unknown"),
        (lambda lines: lines[0].pop("seed"), r":1: wrong fields(.|\n)*seed is missing"),
        (put(0, "checkpoint", {"path": "x"}), r":1: checkpoint: wrong(.|\n)*sha256 is missing"),
        (put(2, "seconds", 0), r":3: wrong fields(.|\n)*seconds=0 is not a number above 0"),
        (put(2, "seconds", True), ":3: wrong fields"),
        (put(2, "frames", 1.5), r":3: wrong fields(.|\n)*frames=1.5"),
        (put(2, "id", "a b"), r":3: wrong fields(.|\n)*id='a b'"),
        (put(2, "exits", []), r":3: wrong number of exits in exits(.|\n)*layers \[2, 4, 6\]"),
        (put(2, "head_gflops", [1.0]), ":3: wrong number of exits in head_gflops"),
        (put(2, "body_gflops", [3.0, 2.0, 4.0]), ":3: body_gflops falls"),
        (put(2, "id", "spk00-00000"), ":3: id spk00-00000 appears twice"),
        (lambda lines: lines[3]["exits"][1].pop("text"), r":4: exit at layer 4(.|\n)*text is miss"),
        (lambda lines: lines[3]["exits"][1]["scores"].pop("entropy"), ":4: .*other scores than"),
        (lambda lines: lines.__setitem__(3, "[1]"), ":4: not a JSON object"),
        (lambda lines: lines.__setitem__(3, '{"id": '), ":4: not a JSON line"),
        (lambda lines: lines.__setitem__(3, '{"id": NaN}'), r":4: not a JSON line(.|\n)*is null"),
        (lambda lines: lines.clear(), ":1: the record is empty"),
    ],
)
def test_damage_is_named_by_file_and_line(saved, change, message):
    lines = lines_of(saved)
    change(lines)
    write_lines(saved, lines)
    with pytest.raises(DataError, match="record.jsonl.gz" + message):
        read_record(saved)


def test_all_wrong_fields_are_named_at_once(saved):
    lines = lines_of(saved)
    lines[1].update(seconds=-1, frames="many", surprise=0)
    with pytest.raises(DataError) as caught:
        read_record(write_lines(saved, lines))
    assert all(name in str(caught.value) for name in ("seconds=-1", "frames='many'", "surprise"))


def test_a_truncated_file_is_damaged(tmp_path):
    path = save(make_record(50), tmp_path / "record.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"record.jsonl.gz:\d+: cannot read on(.|\n)*fix:"):
        read_record(path)


def test_a_file_that_is_not_gzip_is_damaged(tmp_path):
    path = tmp_path / "record.jsonl.gz"
    path.write_text("hello")
    with pytest.raises(DataError, match=":1: cannot read on: the file is damaged or not gzip"):
        read_record(path)


def test_a_missing_file_is_said_so(tmp_path):
    with pytest.raises(DataError, match="There is no record .*nowhere"):
        read_record(tmp_path / "nowhere")


def split(record, tmp_path, parts, **changes):
    return [
        save(
            replace(record, header=replace(record.header, threads=part + 1, **changes),
                    utterances=record.utterances[part::parts]),
            tmp_path / f"part{part}.gz",
        )
        for part in range(parts)
    ]  # fmt: skip


def test_merging_the_parts_gives_the_whole_up_to_order(tmp_path):
    record = make_record(10)
    assert merge_records(split(record, tmp_path, 3), tmp_path / "all.gz") == 10
    merged = read_record(tmp_path / "all.gz")
    assert sorted(merged.utterances, key=lambda u: u.utt_id) == sorted(
        record.utterances, key=lambda u: u.utt_id
    )
    assert merged.header == replace(record.header, threads=3)


def test_parts_of_different_runs_do_not_merge(tmp_path):
    record = make_record(4)
    one, *_ = split(record, tmp_path, 2)
    two = save(make_record(2, seed=1, checkpoint_sha256="f" * 64), tmp_path / "other.gz")
    with pytest.raises(
        DataError, match=r"other.gz: not of the same run as .*(.|\n)*checkpoint_sha"
    ):
        merge_records([one, two], tmp_path / "all.gz")
    assert not (tmp_path / "all.gz").exists()


def test_an_utterance_in_two_parts_is_refused(tmp_path):
    path = save(make_record(2), tmp_path / "a.gz")
    with pytest.raises(DataError, match=r"Cannot merge .*a.gz(.|\n)*spk00-00000 appears twice"):
        merge_records([path, path], tmp_path / "all.gz")
    assert not (tmp_path / "all.gz").exists()


def test_nothing_does_not_merge(tmp_path):
    with pytest.raises(DataError, match="No record to merge"):
        merge_records([], tmp_path / "all.gz")
