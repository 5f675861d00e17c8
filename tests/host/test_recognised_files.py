"""``espnet-ee recognize`` on short and long files: formats, times, order, errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from model_factory import make_experiment, make_waves

from espnet_ee.bin.main import main as espnet_ee

RATE = 16_000
CUT = ("--max-segment-sec", 4, "--overlap-sec", 1, "--cut-search-sec", 1)
TIMES = ("words", "timed_tokens")


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exp")
    return make_experiment(folder, encoder_conf={"input_layer": "conv2d"})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    names = {"long": 13 * RATE, "short": 2 * RATE, "longer": 21 * RATE}
    for (name, _), wave in zip(names.items(), make_waves([*names.values()]), strict=True):
        soundfile.write(folder / f"{name}.wav", wave, RATE, subtype="FLOAT")
    return [folder / f"{name}.wav" for name in names]


def run(exp, *words: object) -> int:
    return espnet_ee(["recognize", "--exp", str(exp), *map(str, words)])


def printed(capfd, exp, *words: object) -> list[str]:
    assert run(exp, *words) == 0
    return capfd.readouterr().out.splitlines()


def test_a_line_for_each_file_in_the_order_given(exp, files, capfd):
    long, short, longer = printed(capfd, exp, *files, *CUT)
    assert long.startswith(f"{files[0]}\tlayer 6, 5 pieces\t")
    assert short.startswith(f"{files[1]}\tlayer 6\t")
    assert longer.startswith(f"{files[2]}\tlayer 6, 8 pieces\t")


def test_pieces_of_a_file_take_exits_of_their_own(exp, files, capfd):
    words = ("--policy", "entropy", "--threshold")
    [line] = printed(capfd, exp, files[2], *CUT, "--format", "json", *words, -9)
    scores = sorted(piece["score"] for piece in json.loads(line)["pieces"])
    [line] = printed(capfd, exp, files[2], *CUT, *words, sum(scores[3:5]) / 2)
    assert "\tlayers 2-" in line and ", 8 pieces\t" in line


def test_a_short_file_is_what_it_is_without_long_ones(exp, files, capfd):
    [alone] = printed(capfd, exp, files[1], "--format", "json")
    *_, beside = printed(capfd, exp, files[0], files[1], "--format", "json", *CUT)
    assert alone == beside
    assert not set(TIMES) & set(json.loads(alone))


def test_files_are_cut_unless_that_is_not_wanted(exp, files, capfd):
    [uncut] = printed(capfd, exp, files[2], "--format", "json")  # 21 s are not long
    assert printed(capfd, exp, files[2], "--format", "json", "--max-segment-sec", "inf") == [uncut]
    assert "pieces" not in json.loads(uncut)


def test_json_of_a_long_file(exp, files, capfd):
    [line] = printed(capfd, exp, files[0], "--format", "json", *CUT)
    found = json.loads(line)
    assert set(found) == {"file", "text", "gflops", "seconds", "pieces"}
    assert found["seconds"] == 13.0
    assert found["gflops"] == pytest.approx(sum(piece["gflops"] for piece in found["pieces"]))
    for piece in found["pieces"]:
        assert piece["end_sec"] - piece["start_sec"] == pytest.approx(piece["seconds"])
        assert {"text", "layer", "score"} < set(piece) and not set(TIMES) & set(piece)
    [line] = printed(capfd, exp, files[0], "--format", "json", "--timestamps", *CUT)
    timed = json.loads(line)
    assert " ".join(word["text"] for word in timed.pop("words")) == found["text"]
    assert timed == found


def test_json_of_a_short_file_with_times(exp, files, capfd):
    [line] = printed(capfd, exp, files[1], "--format", "json", "--timestamps")
    found = json.loads(line)
    assert [word["text"] for word in found["words"]] == found["text"].split()
    assert len(found["timed_tokens"]) == len(found["tokens"])
    assert set(found["words"][0]) == {"text", "start_sec", "end_sec", "confidence"}


def test_text_with_times(exp, files, capfd):
    [_, _, text] = printed(capfd, exp, files[1])[0].split("\t")
    rows = [line.split("\t") for line in printed(capfd, exp, files[1], "--timestamps", *CUT)]
    assert all(row[:2] == [str(files[1]), "layer 6"] for row in rows)
    assert all(0.0 <= float(row[2]) < float(row[3]) for row in rows)
    assert " ".join(row[4] for row in rows).split() == text.split()


def test_ctm_of_several_files(exp, files, capfd):
    rows = [line.split(" ") for line in printed(capfd, exp, *files, "--format", "ctm", *CUT)]
    assert all(len(row) == 6 for row in rows)
    assert list(dict.fromkeys(row[0] for row in rows)) == ["long", "short", "longer"]
    texts = [line.split("\t")[2] for line in printed(capfd, exp, *files, *CUT)]
    assert [row[4] for row in rows] == " ".join(texts).split()


@pytest.mark.parametrize(("form", "head"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0")])
def test_subtitles_on_stdout_and_in_files(exp, files, tmp_path, capfd, form, head):
    assert run(exp, files[0], "--format", form, *CUT) == 0
    text = capfd.readouterr().out
    assert text.startswith(head)
    assert len(re.findall(r"^[\d:.,]+ --> [\d:.,]+$", text, re.MULTILINE)) > 1
    assert run(exp, *files, "--format", form, "--output-dir", tmp_path / "new", *CUT) == 0
    assert capfd.readouterr().out == ""
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {f"{path.stem}.{form}" for path in files}
    assert (tmp_path / "new" / f"long.{form}").read_text(encoding="utf-8") == text


def test_text_files(exp, files, tmp_path, capfd):
    lines = printed(capfd, exp, *files)
    assert run(exp, *files, "--output-dir", tmp_path) == 0
    written = [(tmp_path / f"{path.stem}.txt").read_text(encoding="utf-8") for path in files]
    assert written == [f"{line}\n" for line in lines]


def test_a_bad_long_file_gets_one_error_and_the_others_are_recognised(
    exp, files, tmp_path, capfd, caplog
):
    [samples] = make_waves([10 * RATE])
    samples[7 * RATE] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "whole.flac", make_waves([20 * RATE])[0].clip(-1, 1), RATE)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(content[: len(content) // 2])
    bad = [tmp_path / "nan.wav", tmp_path / "half.flac", tmp_path / "none.wav"]
    assert run(exp, files[0], *bad, files[1], *CUT) == 1
    lines = capfd.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [str(files[0]), str(files[1])]
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    messages = ("1 of them from 7.00 s on", "is damaged between ", "does not exist")
    for path, message in zip(bad, messages, strict=True):
        [error] = [text for text in told if str(path) in text]
        assert message in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--overlap-sec", 30], "pieces of this length cannot be cut so"),
        (["--max-segment-sec", 5, "--cut-search-sec", 4], "cannot be cut so"),
        (["--format", "srt"], "several files make no single srt file"),
        (["--format", "ctm"], "some of which have the same name"),
        (["--output-dir", "new"], "some of which have the same name"),
    ],
)
def test_options_that_do_not_fit(exp, files, capfd, words, message):
    assert run(exp, *words, files[0], "other/long.wav") == 1
    assert message in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--overlap-sec=-1", "--max-segment-sec=nan"])
def test_lengths_out_of_range(exp, files, option):
    with pytest.raises(SystemExit) as exit:
        run(exp, option, files[1])
    assert exit.value.code == 2


def test_a_folder_that_cannot_be_written(exp, files, tmp_path, capfd):
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    assert run(exp, files[1], "--output-dir", tmp_path / "taken") == 1
    assert "cannot be written" in capfd.readouterr().err
    assert Path(tmp_path / "taken").read_text(encoding="utf-8") == "a file"
