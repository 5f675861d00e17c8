"""AN4: ids and texts from the original layout, and sets without common speakers."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_ee.data.an4 import DEV_UTTERANCES, read_set, split_dev
from espnet_ee.data.kaldi import DataDir
from espnet_ee.errors import DataError


def make_corpus(root: Path, suffix: str = ".sph") -> Path:
    (root / "etc").mkdir(parents=True)
    names = {"fash": ["an251-fash-b", "cen7-fash-b"], "mmxg": ["an1-mmxg-b"]}
    stems = [f"an4_clstk/{speaker}/{stem}" for speaker in names for stem in names[speaker]]
    for stem in stems:
        path = root / "wav" / f"{stem}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "etc/an4_train.fileids").write_text("\n".join(stems) + "\n")
    (root / "etc/an4_train.transcription").write_text(
        "<s> YES </s> (an251-fash-b)\nTWO SIX (cen7-fash-b)\n<s> RUBOUT G M E </s> (an1-mmxg-b)\n"
    )
    return root


@pytest.mark.parametrize("suffix", [".sph", ".wav", ".flac"])
def test_ids_begin_with_the_speaker_and_texts_lose_their_marks(tmp_path: Path, suffix: str) -> None:
    data = read_set(make_corpus(tmp_path, suffix), "an4_train")
    assert data.text == {
        "fash-an251-b": "YES",
        "fash-cen7-b": "TWO SIX",
        "mmxg-an1-b": "RUBOUT G M E",
    }
    assert data.utt2spk["mmxg-an1-b"] == "mmxg"
    assert data.wav_scp["fash-cen7-b"].endswith(f"an4_clstk/fash/cen7-fash-b{suffix}")


def test_incomplete_corpora_are_refused(tmp_path: Path) -> None:
    root = make_corpus(tmp_path)
    (root / "wav/an4_clstk/fash/cen7-fash-b.sph").unlink()
    with pytest.raises(DataError, match="no audio: cen7-fash-b"):
        read_set(root, "an4_train")
    with pytest.raises(DataError, match=r"etc/an4_test\.fileids is missing"):
        read_set(root, "an4_test")
    (root / "etc/an4_train.transcription").write_text("<s> YES </s>\n")
    with pytest.raises(DataError, match="transcript without a file name"):
        read_set(root, "an4_train")


def test_development_speakers_are_not_in_training() -> None:
    ids = [f"s{speaker:02d}-{n}" for speaker in range(74) for n in range(13)]
    data = DataDir(dict.fromkeys(ids, "x.wav"), dict.fromkeys(ids, "X"), {i: i[:3] for i in ids})
    train, dev = split_dev(data)
    assert not set(train.speakers()) & set(dev.speakers())
    assert DEV_UTTERANCES <= len(dev.text) < DEV_UTTERANCES + 13
    assert len(train.text) + len(dev.text) == len(ids)


def test_real_corpus(shared_dir: Path) -> None:
    root = shared_dir / "data/an4"
    train, dev = split_dev(read_set(root, "an4_train"))
    test = read_set(root, "an4_test")
    assert (len(train.text) + len(dev.text), len(test.text)) == (948, 130)
    speakers = [set(data.speakers()) for data in (train, dev, test)]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 84
    assert {speaker[0] for speaker in speakers[1]} == {"f", "m"}
