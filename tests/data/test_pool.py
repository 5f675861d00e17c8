"""Pooling data directories, and speechocean762's adults and children."""

import pytest

from espnet_ee.data.kaldi import DataDir, read_data_dir, write_data_dir
from espnet_ee.data.pool import joined
from espnet_ee.data.speechocean import by_age, read_half
from espnet_ee.errors import DataError


def some_data(prefix, count=3):
    ids = [f"{prefix}-{number}" for number in range(count)]
    return DataDir(
        {i: f"/{i}.wav" for i in ids}, dict.fromkeys(ids, "A"), dict.fromkeys(ids, prefix)
    )


def test_a_pool_has_the_utterances_of_all(tmp_path):
    parts = {tmp_path / name: some_data(name) for name in ("a", "b")}
    pooled = joined(parts.items())
    assert pooled.speakers() == {"a": ["a-0", "a-1", "a-2"], "b": ["b-0", "b-1", "b-2"]}
    write_data_dir(tmp_path / "pool", pooled)
    assert read_data_dir(tmp_path / "pool") == pooled


def test_an_utterance_in_two_parts_is_an_error(tmp_path):
    parts = [(tmp_path / "one", some_data("a")), (tmp_path / "two", some_data("a", 1))]
    with pytest.raises(DataError, match=r"two: utterances are in another part(.|\n)*a-0"):
        joined(parts)


@pytest.fixture
def corpus(tmp_path):
    """Two speakers of 15 and 16 years, in the corpus's layout."""
    half = tmp_path / "speechocean762" / "test"
    half.mkdir(parents=True)
    (half / "wav.scp").write_text("0010 WAVE/S1/0010.opus\n0020 WAVE/S2/0020.opus\n")
    (half / "text").write_text("0010\tMARK IS GOING\n0020\tKATE LOVES CHINA\n")
    (half / "utt2spk").write_text("0010 001\n0020 002\n")
    (half / "spk2age").write_text("001\t15\n002\t16\n")
    return half


def test_speakers_are_parted_by_age(corpus):
    groups = by_age(corpus)
    assert groups["children"].text == {"so001-0010": "MARK IS GOING"}
    assert groups["adults"].utt2spk == {"so002-0020": "so002"}
    assert groups["adults"].wav_scp == {"so002-0020": str(corpus.parent / "WAVE/S2/0020.opus")}


def test_what_does_not_match_is_an_error(corpus):
    (corpus / "text").write_text("0010\tMARK\n")
    with pytest.raises(DataError, match=r"wav.scp and text do not match(.|\n)*0020"):
        read_half(corpus)


def test_a_speaker_without_age_is_an_error(corpus):
    (corpus / "spk2age").write_text("001\t15\n")
    with pytest.raises(DataError, match=r"speakers have no age(.|\n)*so002"):
        by_age(corpus)


def test_the_real_corpus(shared_dir):
    groups = by_age(shared_dir / "data" / "speechocean762" / "test")
    assert {name: len(data.text) for name, data in groups.items()} == {
        "adults": 1220,
        "children": 1280,
    }
