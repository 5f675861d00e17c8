"""The model card: every figure is that of its source, its commands run, and nothing is made up."""

from __future__ import annotations

import re
import shlex
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import yaml
from model_factory import SAMPLE_RATE, make_experiment, make_waves

from espnet_ee.bin.main import main
from espnet_ee.measured import MeasuredLatency
from espnet_ee.report.choice import choose, worth_drawing
from espnet_ee.report.experiment import load_experiment, word_intervals
from espnet_ee.report.tables import format_threshold

NAME = "asr_tiny.zip"
CHECKPOINT = "valid.cer_ctc.ave.pth"


def make_data(folder: Path, seed: int) -> Path:
    """A Kaldi folder of six utterances by two speakers."""
    folder.mkdir(parents=True)
    rows: dict[str, list[str]] = {name: [] for name in ("wav.scp", "text", "utt2spk")}
    rows["utt2num_samples"] = []
    for number, wave in enumerate(make_waves([9000 + 1500 * n for n in range(6)], seed)):
        soundfile.write(folder / f"{number}.flac", wave, SAMPLE_RATE)
        rows["wav.scp"].append(f"u{number} {folder / f'{number}.flac'}")
        rows["text"].append(f"u{number} A{'BCD'[number % 3]} E")
        rows["utt2spk"].append(f"u{number} {'sp0.9-' if number > 3 else ''}s{number % 2}")
        rows["utt2num_samples"].append(f"u{number} {len(wave)}")
    for name, lines in rows.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def pack(exp: Path, archive: Path) -> Path:
    """As ``espnet2.bin.pack`` does."""
    meta = {
        "yaml_files": {"asr_train_config": "exp/config.yaml"},
        "files": {"asr_model_file": f"exp/{CHECKPOINT}"},
        "espnet": "202511",
        "torch": "2.11.0",
    }
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("meta.yaml", yaml.safe_dump(meta))
        for name in ("config.yaml", CHECKPOINT):
            packed.write(exp / name, f"exp/{name}")
    return archive


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An experiment with records of dev and test, measured latency, and training data."""
    from espnet_ee.host.decode_set import DecodeJob, decode_set
    from espnet_ee.host.inference import EarlyExitSpeech2Text
    from espnet_ee.policies import build_policy

    root = tmp_path_factory.mktemp("made")
    exp = make_experiment(root / "exp")
    asr = EarlyExitSpeech2Text.from_exp(exp)
    for seed, name in enumerate(("train_sp", "dev", "test")):
        data = make_data(root / "raw" / name, seed)
        if name != "train_sp":
            job = DecodeJob(
                data / "wav.scp", exp / "greedy" / name, None, build_policy("layer"), 6, 0
            )
            decode_set(asr, job)
    words = ["cost", exp, "--measure", "--audio", root / "raw/test/wav.scp", "--utterances", "2"]
    assert main([*map(str, words), "--save", str(exp / "latency.json")]) == 0
    return root


@pytest.fixture
def packed(made, tmp_path):
    return pack(made / "exp", tmp_path / NAME)


def read(archive: Path) -> tuple[dict, str]:
    with zipfile.ZipFile(archive) as file:
        assert file.namelist().count("README.md") == 1 and file.testzip() is None
        text = file.read("README.md").decode()
    _, front, card = text.split("---\n", 2)
    return yaml.safe_load(front), card


def write(made, packed, *more):
    words = ["card", packed, "--exp", made / "exp", "--train-data", made / "raw/train_sp", *more]
    return main([str(word) for word in words])


def rows_of(card: str, section: str) -> list[list[str]]:
    body = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)[1]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [line.strip("|").split("|") for line in lines]


def test_the_figures_are_those_of_their_sources(made, packed, capsys):
    options = ("--license", "cc-by-4.0", "--language", "en", "--dataset", "tiny")
    assert write(made, packed, *options) == 0
    assert capsys.readouterr().out == f"README.md in {packed}\n"
    front, card = read(packed)
    assert (front["license"], front["language"], front["datasets"]) == ("cc-by-4.0", "en", ["tiny"])
    assert {"espnet", "espnet-ee", "automatic-speech-recognition"} <= set(front["tags"])
    for line in (
        "- set: `train_sp`, with copies at other speeds",
        "- utterances: 6",
        "- speakers: 2",
    ):
        assert line in card
    assert "## Licence\n\ncc-by-4.0\n" in card

    latency = MeasuredLatency.load(made / "exp/latency.json")
    dev, test = load_experiment(made / "exp")
    header, *exits = rows_of(card, "Exits")
    assert header[3:] == ["WER dev", "CER dev", "WER test", "CER test"]
    intervals = word_intervals(test.scored, test.fixed, 0)
    for index, row in enumerate(exits[1:]):
        assert row[0] == str(latency.layers[index])
        assert row[1] == f"{latency.parameters[index]:,}"
        low, high = 100 * intervals.low[index], 100 * intervals.high[index]
        assert row[5] == f"{100 * test.fixed[index].wer:.1f} ({low:.1f} - {high:.1f})"
        assert row[4].startswith(f"{100 * dev.fixed[index].cer:.1f} (")
    _, _, *times = rows_of(card, "Latency")
    assert [row[1] for row in times] == [f"{value:.1f}" for value in latency.p50_ms]
    assert "2 of them (test/wav.scp," in card

    _, _, last, *policies = rows_of(card, "Policies")
    assert last[0] == "always the last exit" and last[4] == "100 %"
    assert [row[0].strip("`") for row in policies] == list(worth_drawing(dev.scored))
    for row in policies:
        [choice] = [
            one
            for one in choose(dev.scored, test.scored, row[0].strip("`"))
            if one.excess_target == 0.005
        ]
        assert row[1] == format_threshold(choice.result.threshold)
        assert row[2].startswith(f"{100 * choice.result.wer:.1f} (")
        assert row[3] == f"{choice.result.gflops_per_second:.3f}"


def test_its_commands_run(made, packed, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert write(made, packed) == 0
    _, card = read(packed)
    shutil.copy(made / "raw/test/0.flac", tmp_path / "audio.flac")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    [command] = re.findall(r"^espnet-ee (.*)$", card, re.MULTILINE)
    assert "--policy" in command and main(shlex.split(command)) == 0
    shown = capsys.readouterr().out
    [code] = re.findall(r"^```python\n(.*?)^```", card, re.MULTILINE | re.DOTALL)
    exec(compile(code, "card", "exec"), {})  # noqa: S102 (it is what users will run)
    text, layer = capsys.readouterr().out.rstrip("\n").rsplit(" ", 1)
    assert text in shown and int(layer) in (2, 4, 6)


def test_what_is_not_known_is_said(packed):
    assert main(["card", str(packed)]) == 0
    front, card = read(packed)
    assert not {"license", "language", "datasets"} & front.keys()
    for words in (
        "There are no records of this checkpoint: no error rates are known.",
        "No thresholds were chosen",
        "Not measured. On your machine",
        "the configuration names no training set",
        "Error rates were not measured",
        "Time and memory were not measured",
        "## Licence\n\nNot stated.",
    ):
        assert words in card
    assert [row[0] for row in rows_of(card, "Exits")[2:]] == ["2", "4", "6"]
    assert "--policy" not in card and "threshold=" not in card


def test_figures_of_another_checkpoint_are_left_out(made, tmp_path, caplog):
    exp = shutil.copytree(made / "exp", tmp_path / "exp")
    make_experiment(exp, seed=1)
    packed = pack(exp, tmp_path / NAME)
    assert main(["card", str(packed), "--exp", str(exp)]) == 0
    assert "2 of 2 records" in caplog.text and "latency.json was measured of another" in caplog.text
    _, card = read(packed)
    assert "There are no records of this checkpoint" in card and "Not measured." in card


def test_a_model_of_unknown_cost_has_a_card_all_the_same(made, tmp_path, caplog):
    exp = shutil.copytree(made / "exp", tmp_path / "exp")
    settings = yaml.safe_load((exp / "config.yaml").read_text()) | {"model": "another"}
    (exp / "config.yaml").write_text(yaml.safe_dump(settings))
    packed = pack(exp, tmp_path / NAME)
    assert main(["card", str(packed), "--exp", str(exp)]) == 0
    _, card = read(packed)
    assert "were not counted" in card and "has no costs of exits" in caplog.text
    assert [row[0] for row in rows_of(card, "Exits")[2:]] == ["2", "4", "6"]


def test_a_second_card_replaces_the_first(made, packed):
    assert write(made, packed, "--license", "mit") == 0
    before = packed.stat().st_size
    assert write(made, packed) == 0
    front, _ = read(packed)
    assert "license" not in front and abs(packed.stat().st_size - before) < 200
    assert [path.name for path in packed.parent.iterdir()] == [NAME], "nothing is left behind"


def test_upload_gives_the_packed_card_its_name(made, packed):
    assert write(made, packed, "--license", "mit", "--dataset", "tiny") == 0
    words = ["upload", str(packed), "--repo", "me/model", "--language", "de", "--dry-run"]
    assert main(words) == 0
    text = (packed.with_suffix("") / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n", 2)[1])
    assert (front["license"], front["language"], front["datasets"]) == ("mit", "de", ["tiny"])
    assert "\n# me/model\n" in text and 'from_pretrained("me/model")' in text
    assert "recognize --exp me/model --policy" in text and NAME not in text
    assert text.count("## Exits") == 1 and "## Licence\n\nmit\n" in text


def test_a_card_changed_at_its_frame_is_not_guessed_at(made, packed, capsys):
    from espnet_ee.archive import replace_member

    replace_member(packed, "README.md", b"# my own card\n")
    assert main(["upload", str(packed), "--repo", "me/model", "--dry-run"]) == 1
    shown = capsys.readouterr().err
    assert "is no model card of ours" in shown and f"espnet-ee card {packed}" in shown


@pytest.mark.parametrize("content", [None, b"no zip", b""])
def test_what_is_no_packed_model(content, tmp_path, capsys):
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    assert main(["card", str(tmp_path / NAME)]) == 1
    assert "is not a packed model" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ([] if content is None else [NAME])


def test_a_misspelt_experiment_is_no_card_without_results(packed, capsys):
    content = packed.read_bytes()
    assert main(["card", str(packed), "--exp", "gone"]) == 1
    assert "there is no experiment gone" in capsys.readouterr().err
    assert packed.read_bytes() == content


def test_damaged_latency_is_one_error(made, tmp_path, capsys):
    exp = shutil.copytree(made / "exp", tmp_path / "exp")
    (exp / "latency.json").write_text("{")
    packed = pack(exp, tmp_path / NAME)
    content = packed.read_bytes()
    assert main(["card", str(packed), "--exp", str(exp)]) == 1
    assert "latency.json cannot be read" in capsys.readouterr().err
    assert packed.read_bytes() == content


def test_what_a_training_started_from_is_named():
    from espnet_ee.report.model_card import CardFacts, card_body

    config = {
        "encoder": "ee_ssl",
        "encoder_conf": {"checkpoint": "hubert.pt", "exit_layers": [6, 12]},
        "init_param": ["other.pth:encoder"],
        "token_list": ["<blank>", "a"],
        "token_type": "char",
    }
    body = card_body(CardFacts("name", config, {}))
    assert "started from: `hubert.pt`" in body and "`other.pth:encoder`" in body
    assert "and of what it started from" in body and "|12|" in body


def test_names_in_the_card_are_those_it_was_given(made, packed):
    from espnet_ee.card import CardOptions, card_text, read_card

    options = CardOptions("me/model", "mit", "en", ("a", "b"))
    text = card_text(options, "body\n")
    assert read_card(text, packed) == (options, "body\n")
    assert read_card(card_text(replace(options, licence=None), "x\n"), packed)[0].licence is None
