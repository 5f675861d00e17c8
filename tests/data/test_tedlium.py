"""TED-LIUM 3: which talks a set has, Kaldi's ids, padding, and what is wrong with a corpus."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_ee.data.kaldi import DataDir, read_data_dir
from espnet_ee.data.tedlium import SETS, pad, write_sets
from espnet_ee.errors import DataError

TALKS = {
    "data": ("Ann_2009", "Ben_2010", "Cyd_2011"),
    "legacy/dev": ("Dan_2003",),
    "legacy/test": ("Eve_2004",),
}


def write_talk(folder: Path, talk: str, seconds: float = 2.0) -> None:
    for name in ("sph", "stm"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    samples = np.zeros(round(16_000 * seconds), np.float32)
    soundfile.write(folder / f"sph/{talk}.sph", samples, 16_000, format="NIST", subtype="PCM_16")
    lines = f"{talk} 1 S1 0.29 0.8 <o,f0,male> it 's one\n{talk} 1 S1 0.9 1.95 <o,f0,male> two\n"
    (folder / f"stm/{talk}.stm").write_text(lines)


def link(folder: Path, target: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / target.name).symlink_to(target)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Release 3 as distributed: legacy/train has links to the files of data/."""
    root = tmp_path / "TEDLIUM_release-3"
    for folder, talks in TALKS.items():
        for talk in talks:
            write_talk(root / folder, talk)
    for path in root.glob("data/*/*.*"):
        link(root / "legacy/train" / path.parent.name, path)
    return root


def make_sets(root: Path, target: Path, data_type: str) -> dict[str, DataDir]:
    write_sets(root, target, data_type)
    return {name: read_data_dir(target / name, open_audio=True) for name in SETS}


def talks_of(root: Path, target: Path, data_type: str) -> dict[str, set[str]]:
    sets = make_sets(root, target, data_type)
    return {name: set(data.speakers()) for name, data in sets.items()}


@pytest.mark.parametrize("data_type", ["legacy", "release-3"])
def test_old_talks_stay_dev_and_test(corpus: Path, tmp_path: Path, data_type: str) -> None:
    assert talks_of(corpus, tmp_path / "d", data_type) == {
        "train": set(TALKS["data"]),
        "dev": {"Dan_2003"},
        "test": {"Eve_2004"},
    }


def test_espnets_db_sh_names_the_folder_above(corpus: Path, tmp_path: Path) -> None:
    assert talks_of(corpus.parent, tmp_path / "d", "legacy")["dev"] == {"Dan_2003"}


def test_release_3_leaves_the_held_out_talks_of_data_to_dev_and_test(
    corpus: Path, tmp_path: Path
) -> None:
    write_talk(corpus / "data", "Dan_2003")
    assert talks_of(corpus, tmp_path / "d", "release-3")["train"] == set(TALKS["data"])


SPEAKER_ADAPTATION = {
    "train": ("Ann_2009", "Eve_2004"),
    "dev": ("Ben_2010",),
    "test": ("Cyd_2011",),
}


@pytest.mark.parametrize("form", ["folders", "lists"])
def test_speaker_adaptation_has_folders_or_lists(corpus: Path, tmp_path: Path, form: str) -> None:
    parts = corpus / "speaker-adaptation"
    parts.mkdir()
    for name, talks in SPEAKER_ADAPTATION.items():
        (parts / f"{name}.lst").write_text("".join(f"{talk}\n" for talk in talks))
        for path in corpus.glob("[dl]*/**/*.*") if form == "folders" else ():
            if path.stem in talks and not path.is_symlink():
                link(parts / name / path.parent.name, path)
    expected = {name: set(talks) for name, talks in SPEAKER_ADAPTATION.items()}
    assert talks_of(corpus, tmp_path / "d", "speaker-adaptation") == expected


def test_a_list_may_not_name_unknown_talks(corpus: Path, tmp_path: Path) -> None:
    (corpus / "speaker-adaptation").mkdir()
    (corpus / "speaker-adaptation/train.lst").write_text("Ann_2009\nNobody_2000.sph\n")
    with pytest.raises(DataError, match=r"train\.lst names talks without transcript") as caught:
        write_sets(corpus, tmp_path / "d", "speaker-adaptation")
    assert "got:  Nobody_2000" in str(caught.value)


def test_ids_are_kaldis_and_only_training_is_padded(corpus: Path, tmp_path: Path) -> None:
    write_sets(corpus, tmp_path, "legacy")
    dev, train = read_data_dir(tmp_path / "dev"), read_data_dir(tmp_path / "train")
    # awk's %07d cuts 0.29 * 100 = 28.999... off, and Kaldi's ids are made by it
    assert list(dev.segments) == ["Dan_2003-0000028-0000080", "Dan_2003-0000090-0000195"]
    assert dev.text["Dan_2003-0000028-0000080"] == "it's one"
    assert dev.segments["Dan_2003-0000028-0000080"].span == (0.29, 0.8)
    spans = [train.segments[f"Ann_2009-{i}"].span for i in ("0000028-0000080", "0000090-0000195")]
    assert spans == [(0.14, 0.84), (0.84, 2.0)]
    assert train.utt2spk["Ann_2009-0000028-0000080"] == "Ann_2009"


def test_padding_never_reaches_a_neighbour_or_beyond_the_file() -> None:
    assert pad([(1.0, 2.0)], 3.0) == [(0.85, 2.1)]
    assert pad([(0.1, 2.95)], 3.0) == [(0.0, 3.0)]
    far = pad([(1.0, 2.0), (2.25, 3.0)], 9.0)
    assert far == [(0.85, 2.1), (2.1, 3.1)]
    assert pad([(1.0, 2.0), (2.0, 3.0)], 9.0) == [(0.85, 2.0), (2.0, 3.1)]
    assert pad([(1.0, 2.0), (1.5, 3.0)], 9.0) == [(0.85, 2.0), (1.5, 3.1)]
    spans = [(n + 0.07 * n, n + 1.0) for n in range(9)]
    padded = pad(spans, 8.5)
    assert all(
        new[0] <= old[0] and new[1] >= old[1] for new, old in zip(padded, spans, strict=True)
    )
    assert all(a[1] <= b[0] + 1e-9 for a, b in zip(padded, padded[1:], strict=False))


def test_links_that_were_lost_are_found_in_data(corpus: Path, tmp_path: Path) -> None:
    lost = corpus / "legacy/train/sph/Ann_2009.sph"
    lost.unlink()
    lost.symlink_to("nowhere.sph")
    write_sets(corpus, tmp_path / "d", "legacy")
    wav_scp = read_data_dir(tmp_path / "d/train").wav_scp
    assert wav_scp["Ann_2009"] == str(corpus / "data/sph/Ann_2009.sph")


def test_missing_audio_is_named(corpus: Path, tmp_path: Path) -> None:
    (corpus / "legacy/dev/sph/Dan_2003.sph").unlink()
    with pytest.raises(DataError, match="transcripts without audio: 1") as caught:
        write_sets(corpus, tmp_path / "d", "legacy")
    assert f"got:  {corpus}/legacy/dev/sph/Dan_2003.sph" in str(caught.value)


def test_turns_beyond_the_end_are_named_and_small_overshoot_is_cut(
    corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stm = corpus / "legacy/dev/stm/Dan_2003.stm"
    stm.write_text("Dan_2003 1 Dan 1 2.4 <o,f0,male> late\n")
    write_sets(corpus, tmp_path / "d", "legacy")
    (segment,) = read_data_dir(tmp_path / "d/dev", open_audio=True).segments.values()
    assert segment.span == (1.0, 2.0)
    assert "1 turns end up to 0.5 s late, cut" in caplog.text
    stm.write_text("Dan_2003 1 Dan 1 1.5 <o,f0,male> in\nDan_2003 1 Dan 1.6 2.6 <o,f0,male> out\n")
    with pytest.raises(DataError, match="1 turns are beyond the end") as caught:
        write_sets(corpus, tmp_path / "d", "legacy")
    assert f"got:  {stm}:2: 1.6 to 2.6 s of 2.00 s" in str(caught.value)


def test_a_turn_that_is_there_twice_is_refused(corpus: Path, tmp_path: Path) -> None:
    stm = corpus / "legacy/dev/stm/Dan_2003.stm"
    stm.write_text("Dan_2003 1 Dan 1 2 <o,f0,male> one\n" * 2)
    with pytest.raises(DataError, match=r"Dan_2003\.stm:2 is there twice\.\n  got:  .*stm:1"):
        write_sets(corpus, tmp_path / "d", "legacy")


def test_a_talk_in_two_sets_is_refused(corpus: Path, tmp_path: Path) -> None:
    write_talk(corpus / "legacy/dev", "Ann_2009")
    with pytest.raises(DataError, match=r"talks in two sets\.\n  got:  Ann_2009"):
        write_sets(corpus, tmp_path / "d", "legacy")


def test_another_folder_is_refused_with_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "LM").mkdir()
    with pytest.raises(DataError, match="no transcripts of the legacy set train") as caught:
        write_sets(tmp_path, tmp_path / "d", "legacy")
    assert "got:  folders LM\n" in str(caught.value)
    assert "fix:  set TEDLIUM3 in db.sh" in str(caught.value)


@pytest.mark.parametrize("data_type", ["legacy", "release-3"])
def test_true_format(shared_dir: Path, tmp_path: Path, data_type: str) -> None:
    root = shared_dir / "data/true_format/TEDLIUM_release-3"
    if not root.is_dir():
        pytest.skip(f"needs {root}, which this machine lacks")
    sets = make_sets(root, tmp_path, data_type)
    assert [len(sets[name].text) for name in SETS] == [3, 2, 3]
    seconds = {n: sum(s.seconds for s in data.segments.values()) for n, data in sets.items()}
    assert seconds == pytest.approx({"train": 5.56 + 4.93 + 9.17, "dev": 15.11, "test": 9.06})
    assert sets["test"].text["Reader19_2014-0000075-0000271"] == "northanger abbey"
    assert sets["train"].text["Reader3664_2014-0000656-0001124"] == (
        "they prepared to depart having declined an invitation to pass the night there"
    )
