"""The page as a file: what it holds, what it refuses, and that no text of a record breaks it."""

import argparse
import json
import re
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
import soundfile
from record_factory import make_record, save, table_record

from espnet_ee.bin import report
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.latency import Setting
from espnet_ee.measured import MEASURED_NAME, MeasuredLatency
from espnet_ee.report import page
from espnet_ee.report.experiment import load_experiment
from espnet_ee.report.overthinking import overthinking_groups
from espnet_ee.report.page.alignment import aligned_words
from espnet_ee.report.page.clips import Clips
from espnet_ee.report.page.examples import MOST, early_and_wrong, worst_first
from espnet_ee.report.study import make_study
from espnet_ee.scored_set import score_set
from espnet_ee.scoring import count_words

NOW = datetime(2026, 1, 2, 3, 4, 5)


def run(*words):
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    return report.run(parser.parse_args([str(word) for word in words]))


def experiment_of(folder, **records):
    for name, record in records.items():
        record = replace(record, header=replace(record.header, set_name=name))
        save(record, folder / "greedy" / name / "record.jsonl.gz")
    return folder


def page_of(folder, clips=None):
    decoded = load_experiment(folder)
    studies = [make_study(item, decoded, 0) for item in decoded if not item.is_dev]
    return page.page_text(
        studies, latency=None, clips=clips or Clips(None), command="this", seed=0, now=NOW
    )


def data_of(text):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(found.group(1))


# --------------------------------------------------------------------------- alignment


@pytest.mark.parametrize("seed", range(20))
def test_alignments_spell_the_hypothesis_and_have_the_scored_errors(seed):
    rng = np.random.default_rng(seed)
    reference, hypothesis = (list(rng.choice(list("abc"), rng.integers(0, 7))) for _ in range(2))
    cells = aligned_words(reference, hypothesis)
    words, more = cells["words"], cells.get("more", {})
    spelled = []
    for place in range(len(reference) + 1):
        spelled += more.get(str(place), "").split()
        if place < len(reference):
            spelled += {0: [reference[place]], None: []}.get(words[place], [words[place]])
    assert spelled == hypothesis
    errors = sum(cell != 0 for cell in words) + sum(len(text.split()) for text in more.values())
    counted = count_words([" ".join(reference)], [[" ".join(hypothesis)]])
    assert errors == counted.errors[0, 0]


# ------------------------------------------------------------------------ overthinking


def test_groups_of_lengths_are_parts_of_the_whole():
    scored = score_set(make_record(101, seed=4))
    whole, *groups = overthinking_groups(scored)
    for kind, count in (("length", 4), ("speaker", 5)):
        parts = [group for group in groups if group.kind == kind]
        assert len(parts) == count
        assert sum(part.utterances for part in parts) == 101
        better = sum(part.better.value * part.utterances for part in parts)
        assert better == pytest.approx(whole.better.value * 101)
    assert whole.better.low < whole.better.value < whole.better.high
    assert whole.better.value <= whole.as_good.value


def test_shares_count_utterances_with_a_better_earlier_exit():
    record = table_record([["a", "b"], ["b", "a"], ["a", "a"], ["b", "b"]], ["a"] * 4)
    (whole,) = overthinking_groups(score_set(record))
    assert (whole.better.value, whole.as_good.value) == (0.25, 0.75)


# ---------------------------------------------------------------------------- examples


def test_worst_come_first_and_are_all():
    scored = score_set(make_record(80, seed=5))
    errors, rows = scored.words.errors, worst_first(scored)
    excess = (errors[:, :-1] - errors[:, -1:]).max(axis=1)
    assert sorted(rows.tolist()) == np.flatnonzero(excess > 0).tolist()
    assert np.all(np.diff(excess[rows]) <= 0)
    assert early_and_wrong(scored, np.full(80, 2)) == 0  # the last exit is never worse than itself


def test_the_page_holds_the_worst_and_says_of_how_many(tmp_path):
    folder = experiment_of(tmp_path / "asr", test=make_record(400, seed=1, noise=2.0))
    (data,) = data_of(page_of(folder))
    assert (
        len(data["examples"])
        == MOST
        < data["worse"]
        == len(worst_first(score_set(make_record(400, seed=1, noise=2.0))))
    )


# -------------------------------------------------------------------------------- page


def test_equal_records_make_equal_pages(tmp_path):
    folder = experiment_of(tmp_path / "asr", dev=make_record(30, seed=1), test=make_record(30))
    assert page_of(folder) == page_of(folder)


def test_texts_cannot_break_the_page(tmp_path):
    evil = "</script><script>alert(1)</script> <!-- <b>"
    record = table_record([[evil, "a"], ["b", "b"]], ["a", "b"], entropy=[[1.0, 2.0], [3.0, 4.0]])
    text = page_of(experiment_of(tmp_path / evil.replace("/", "|"), test=record))
    shown = data_of(text)[0]["examples"][0]["exits"][0]
    assert " ".join([shown["more"]["0"], *shown["words"]]) == evil
    assert "alert(1)</script>" not in text
    assert "<b>" not in text


def test_infinite_thresholds_and_unknown_scores_are_json(tmp_path):
    record = table_record([["a", "b"]] * 3, ["b"] * 3, window=[[float("nan"), 1.0]] * 3)
    (data,) = data_of(page_of(experiment_of(tmp_path / "asr", dev=record, test=record)))
    points = data["policies"]["window"]["points"]
    assert [points[0]["cells"][2], points[-1]["cells"][2]] == ["-inf", "inf"]
    assert data["examples"][0]["scores"]["window"][0] == "nan"
    assert isinstance(data["policies"]["window"]["calibration"], str)  # says why there is none


def test_times_stand_beside_what_was_timed_alone(tmp_path):
    record = make_record(20)
    other = replace(record, header=replace(record.header, decoding="CTC beam 5", set_name="test"))
    folder = experiment_of(tmp_path / "asr", test=record)
    save(other, folder / "beam" / "test" / "record.jsonl.gz")
    measured(record).save(folder / MEASURED_NAME)
    run(folder)
    beam, greedy = data_of((folder / "index.html").read_text())
    assert (beam["name"], greedy["name"]) == ("beam/test", "greedy/test")
    assert "rtf" not in beam["fixed"][0] and greedy["fixed"][0]["rtf"] == 0.1
    assert (folder / "index.html").read_text().count("<dd>not measured</dd>") == 1


def test_many_exits(tmp_path):
    record = make_record(10, exits=tuple(range(1, 49)))
    (data,) = data_of(page_of(experiment_of(tmp_path / "asr", test=record)))
    stops = [stop for example in data["examples"] for stop in example["stops"]["entropy"]]
    assert max(stops) == 47


def test_one_exit_has_no_policies(tmp_path):
    record = make_record(10, exits=(6,))
    text = page_of(experiment_of(tmp_path / "asr", dev=record, test=record))
    (data,) = data_of(text)
    assert data["policies"] == {}
    assert "One exit: there is no threshold to choose." in text


def test_without_dev_the_page_says_that_it_flatters(tmp_path):
    text = page_of(experiment_of(tmp_path / "asr", test=make_record(20)))
    assert "for want of a dev set: they flatter" in text
    assert "nothing to fit probabilities on" in json.dumps(data_of(text))


def test_sets_stand_beside_each_other(tmp_path):
    noisy = make_record(30, seed=2, noise=2.0)
    text = page_of(experiment_of(tmp_path / "asr", clean=make_record(30), noisy=noisy))
    assert [one["name"] for one in data_of(text)] == ["greedy/clean", "greedy/noisy"]
    assert "<caption>By set</caption>" in text


# ------------------------------------------------------------------------------- audio


def audio_of(folder, record, rate=16_000):
    lines = []
    for utterance in record.utterances:
        path = folder / f"{utterance.utt_id}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.sin(np.arange(rate) / 20).astype(np.float32) / 2, rate)
        lines.append(f"{utterance.utt_id} {path}\n")
    (folder / "wav.scp").write_text("".join(lines))


def test_audio_lies_in_the_page_and_plays(tmp_path):
    record = make_record(30, seed=2)
    folder = experiment_of(tmp_path / "asr", test=record)
    audio_of(tmp_path / "raw" / "test", record)
    (data,) = data_of(page_of(folder, Clips(tmp_path / "raw")))
    urls = [example["audio"] for example in data["examples"]]
    assert urls and all(url.startswith("data:audio/mpeg;base64,") for url in urls)


def test_what_the_page_has_no_room_for_is_counted(tmp_path):
    record = make_record(30, seed=2)
    folder = experiment_of(tmp_path / "asr", test=record)
    audio_of(tmp_path / "raw" / "test", record)
    clips = Clips(tmp_path / "raw", left=9_000)
    text = page_of(folder, clips)
    kept = [example["audio"] for example in data_of(text)[0]["examples"] if example["audio"]]
    assert 0 < len("".join(kept)) <= 9_000
    assert f"no room for the audio of {clips.without_room} of them" in text


def test_an_utterance_without_audio_is_an_error(tmp_path):
    record = make_record(30, seed=2)
    folder = experiment_of(tmp_path / "asr", test=record)
    audio_of(tmp_path / "raw" / "test", record)
    (tmp_path / "raw/test/wav.scp").write_text("other other.wav\n")
    with pytest.raises(DataError, match="has no audio of an utterance"):
        page_of(folder, Clips(tmp_path / "raw"))


# --------------------------------------------------------------------------- bad input


def measured(record, **changes):
    header = record.header
    values = {
        "setting": Setting(header.checkpoint_sha256, "cpu", "a processor", 1),
        "date": "2026-01-01",
        "source": "noise of 5 s",
        "layers": header.exits,
        "parameters": (1, 2, 3),
        "utterances": 4,
        "audio_sec": 20.0,
        "p50_ms": (1.0, 2.0, 3.0),
        "p95_ms": (2.0, 3.0, 4.0),
        "rtf": (0.1, 0.2, 0.3),
    }
    return MeasuredLatency(**{**values, **changes})


def test_times_beside_the_records_are_taken(tmp_path):
    record = make_record(20)
    folder = experiment_of(tmp_path / "asr", test=record)
    measured(record).save(folder / MEASURED_NAME)
    run(folder)
    text = (folder / "index.html").read_text()
    assert "<td>0.2000</td>" in text and "a processor, cpu, 1 thread(s)" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"setting": Setting("f" * 64, "cpu", "a processor", 1)},
        {"layers": (1, 2, 3)},
    ],
)
def test_times_of_another_model_are_refused(tmp_path, changes):
    record = make_record(20)
    folder = experiment_of(tmp_path / "asr", test=record)
    measured(record, **changes).save(tmp_path / "times.json")
    with pytest.raises(DataError, match="measured of another model"):
        run(folder, "--latency", tmp_path / "times.json")


def test_missing_files_are_named(tmp_path):
    folder = experiment_of(tmp_path / "asr", test=make_record(20))
    with pytest.raises(DataError, match="there is no measured latency"):
        run(folder, "--latency", tmp_path / "none.json")
    with pytest.raises(ConfigError, match="no audio of these sets"):
        run(folder, "--audio", tmp_path / "none")


def test_without_vl_convert_the_error_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "vl_convert", None)
    folder = experiment_of(tmp_path / "asr", test=make_record(20))
    with pytest.raises(ConfigError, match=r"vl-convert-python.*\n.*espnet-ee\[report\]"):
        run(folder)
    assert not (folder / "RESULTS.md").exists()
