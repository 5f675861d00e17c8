"""The data stages of ``egs2/tedlium3_ee`` on a small corpus in TED-LIUM 3's format."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from espnet_ee.data.kaldi import read_data_dir, read_table

pytestmark = pytest.mark.recipe

# Seconds of each turn: in the transcripts for dev and test; training ones have 0.25 s more.
SECONDS = {
    "train": (5.56, 4.93, 9.17),
    "dev": (7.58, 7.53),
    "test": (1.96, 2.86, 4.24),
}
OPTIONS = ("--stop_stage", "5", "--nbpe", "40", "--nj", "1")


@pytest.fixture
def corpus(shared_dir: Path, tmp_path: Path) -> Path:
    """A copy of the small corpus, which tests may damage."""
    source = shared_dir / "data/true_format/TEDLIUM_release-3"
    if not source.is_dir():
        pytest.skip(f"needs {source}, which this machine lacks")
    target = tmp_path / "TEDLIUM_release-3"
    for path in source.rglob("*.*"):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    return target


@pytest.fixture
def tedlium(recipe: Any, corpus: Path, root: Path) -> Any:
    """The recipe as it is in the repository, beside the corpus."""
    ours = root / "egs2/tedlium3_ee"
    for name in ("run.sh", "db.sh", "local/data.sh"):
        shutil.copy(ours / name, recipe.folder / name)
    (recipe.folder / "conf").symlink_to(root / "conf")
    recipe.environment["TEDLIUM3"] = str(corpus)
    return recipe


@pytest.mark.parametrize("data_type", ["legacy", "release-3"])
def test_stages_1_to_5_have_exact_counts_durations_and_texts(
    tedlium: Any, corpus: Path, data_type: str
) -> None:
    tedlium.succeed(*OPTIONS, "--local_data_opts", f"--data_type {data_type}")
    raw = tedlium.folder / "dump/raw"
    for name in ("dev", "test"):
        folder = raw / ("org/dev" if name == "dev" else "test")
        samples = [int(n) for n in read_table(folder / "utt2num_samples").values()]
        assert samples == [round(16_000 * seconds) for seconds in SECONDS[name]]
    lengths = list(read_table(raw / "train_sp/utt2num_samples").items())
    plain, slow, fast = lengths[:3], lengths[3:6], lengths[6:]
    assert [int(n) for _, n in plain] == [round(16_000 * s) for s in SECONDS["train"]]
    for part, factor in ((slow, 0.9), (fast, 1.1)):
        for (utt_id, length), (plain_id, plain_length) in zip(part, plain, strict=True):
            assert utt_id == f"sp{factor}-{plain_id}"
            assert int(length) == math.ceil(round(int(plain_length) / factor, 6))
    test = read_data_dir(raw / "test")
    assert test.text == {
        "Reader19_2014-0000075-0000271": "northanger abbey",
        "Reader19_2014-0000321-0000607": "she had a thin awkward figure",
        "Reader19_2014-0000657-0001081": "she must seek them abroad invited her to go with them",
    }
    assert set(test.utt2spk.values()) == {"Reader19_2014"}
    whole, _ = soundfile.read(corpus / "legacy/test/sph/Reader19_2014.sph", dtype="int16")
    path = tedlium.folder / test.wav_scp["Reader19_2014-0000321-0000607"]
    cut, _ = soundfile.read(path, dtype="int16")
    assert np.array_equal(cut, whole[51_360:97_120])
    train = read_data_dir(raw / "train_sp").text["sp0.9-Reader3664_2014-0000656-0001124"]
    assert train == "they prepared to depart having declined an invitation to pass the night there"
    tokens = (tedlium.folder / "data/en_token_list/bpe_unigram40/tokens.txt").read_text().split()
    assert len(tokens) == 40
    assert "[unk]" in tokens
    # the audio is on disk once, as formatted files
    assert len(list(tedlium.folder.glob("dump/**/*.flac"))) == 3 * 3 + 2 + 3
    assert not [p for p in tedlium.folder.glob("data/**/*") if p.suffix in (".wav", ".flac")]


def test_a_second_run_rests_and_changed_segments_are_cut_again(tedlium: Any) -> None:
    options = ("--stop_stage", "3", "--nj", "1", "--speed_perturb_factors", "0.9 1.0")
    tedlium.succeed(*options)
    segments = tedlium.folder / "data/train/segments"
    segments.write_text(segments.read_text().replace("6.160", "6.060"))
    shown = tedlium.succeed(*options)
    assert shown.count("done before, skipped") == 3  # stage 1, and stage 3 of dev and test
    assert "data/train/segments changed" in shown
    assert "data/train_sp/segments changed" in shown
    assert "dump/raw/org/train_sp: converting 2 of 6 utterances" in shown


def test_the_split_belongs_to_stage_1(tedlium: Any) -> None:
    tedlium.succeed("--stop_stage", "1")
    shown = tedlium.succeed("--stop_stage", "1", "--local_data_opts", "--data_type release-3")
    assert "--local_data_opts changed from '--data_type legacy'" in shown
    error = tedlium.run("--stop_stage", "1", "--local_data_opts", "--data_type old").stderr
    assert "invalid choice: 'old'" in error
    error = tedlium.fail("--stop_stage", "1", "--local_data_opts", "--data_type speaker-adaptation")
    assert "no transcripts of the speaker-adaptation set train" in error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("sph", None, "transcripts without audio: 1.\n  got:  {root}/legacy/dev/sph/{talk}.sph"),
        ("stm", "{talk} 1 Reader32 x 2 <o,f0,male> yes\n", "{talk}.stm:1: 'x' where a time"),
        ("stm", "{talk} 1 Reader32 1 99 <o,f0,male> yes\n", "1 turns are beyond the end"),
        ("sph", "no audio", "{talk}.sph cannot be read."),
    ],
)
def test_bad_corpora_stop_stage_1_with_one_error(
    tedlium: Any, corpus: Path, name: str, content: str | None, message: str
) -> None:
    path = corpus / f"legacy/dev/{name}/Reader32_2014.{name}"
    path.unlink()
    if content is not None:
        path.write_text(content.format(talk=path.stem))
    error = tedlium.fail("--stop_stage", "1")
    assert message.format(root=corpus, talk=path.stem) in error
    assert error.count("DataError") == 1
    assert "Traceback" not in error


def test_a_segment_beyond_the_file_stops_the_data_check_and_stage_3(tedlium: Any) -> None:
    tedlium.succeed("--stop_stage", "2")
    segments = tedlium.folder / "data/dev/segments"
    segments.write_text(segments.read_text().replace("16.360", "96.360"))
    error = tedlium.fail("--stage", "3", "--stop_stage", "3")
    assert "data/dev: 1 audio files are bad" in error
    assert "Reader32_2014.sph, 8.83 to 96.36 s, goes beyond the end of the file." in error


def test_without_a_corpus_it_is_downloaded(tedlium: Any) -> None:
    tedlium.environment["TEDLIUM3"] = ""
    shutil.copytree(
        tedlium.folder / "TEDLIUM_release-3", tedlium.folder / "downloads/TEDLIUM_release-3"
    )
    shown = tedlium.succeed("--stop_stage", "1")
    assert "downloads/TEDLIUM_release-3 is there already" in shown
    assert "train: 3 turns of 1 talks" in shown
