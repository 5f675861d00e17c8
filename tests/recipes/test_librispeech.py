"""LibriSpeech from stage 1 on: what is downloaded, and genuine files through stages 1 to 5."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from espnet_ee.data.kaldi import read_table

pytestmark = pytest.mark.recipe

# Samples at 16 kHz of utterances 0, 1, ... of chapter 1737-146161, and of all of test-clean.
TRAIN_SAMPLES = (
    *(222_800, 260_880, 259_680, 244_640, 246_720, 242_160, 138_800, 32_480, 236_800),
    *(34_800, 68_400, 133_360, 243_680, 63_760, 105_119, 155_120, 234_480, 118_560),
)
TEST = {
    "1089-134686-0000": (
        166_960,
        "HE HOPED THERE WOULD BE STEW FOR DINNER TURNIPS AND CARROTS AND BRUISED POTATOES AND "
        "FAT MUTTON PIECES TO BE LADLED OUT IN THICK PEPPERED FLOUR FATTENED SAUCE",
    ),
    "1089-134686-0001": (52_400, "STUFF IT INTO YOU HIS BELLY COUNSELLED HIM"),
    "1089-134691-0000": (33_360, "HE COULD WAIT NO LONGER"),
    "1089-134691-0001": (
        86_640,
        "FOR A FULL HOUR HE HAD PACED UP AND DOWN WAITING BUT HE COULD WAIT NO LONGER",
    ),
}
DEV_AND_TEST = "dev-clean dev-other test-clean test-other"
SIZES = {
    "mini": "train-clean-5 dev-clean-2",
    "100": f"train-clean-100 {DEV_AND_TEST}",
    "460": f"train-clean-100 train-clean-360 {DEV_AND_TEST}",
    "960": f"train-clean-100 train-clean-360 train-other-500 {DEV_AND_TEST}",
}


@pytest.fixture
def genuine(librispeech: Any, shared_dir: Path) -> Any:
    """The recipe, with byte-for-byte LibriSpeech files in its layout."""
    librispeech.environment["LIBRISPEECH"] = str(shared_dir / "data/true_format")
    return librispeech


def test_genuine_files_through_the_data_stages(genuine: Any, shared_dir: Path) -> None:
    names = ("--data_size", "mini", "--valid_set", "test_clean", "--test_sets", "test_clean")
    numbers = ("--nj", "1", "--nbpe", "40", "--max_wav_duration", "15", "--stop_stage", "9")
    genuine.succeed(*names, *numbers)
    check_texts_and_lengths(genuine.folder / "data", genuine.folder / "dump/raw")
    check_samples(genuine.folder, shared_dir / "data/true_format/LibriSpeech/test-clean")
    tokens = genuine.folder / "data/en_token_list/bpe_unigram40/tokens.txt"
    assert len(tokens.read_text().splitlines()) == 40


def check_texts_and_lengths(data: Path, dump: Path) -> None:
    assert read_table(data / "test_clean/text") == {i: text for i, (_, text) in TEST.items()}
    assert read_table(data / "test_clean/utt2spk") == dict.fromkeys(TEST, "1089")
    lengths = {i: str(samples) for i, (samples, _) in TEST.items()}
    assert read_table(dump / "org/test_clean/utt2num_samples") == lengths
    text = read_table(data / "train_clean_5/text")
    assert len(text) == 18
    assert sum(len(words.split()) for words in text.values()) == 316
    assert text["1737-146161-0000"].startswith("KNIT TWO TOGETHER KNIT THREE MAKE ONE KNIT ONE")
    copies = read_table(dump / "org/train_clean_5_sp/utt2num_samples")
    expected = {
        f"{prefix}1737-146161-{number:04}": str(math.ceil(samples * 10 / tenths))
        for prefix, tenths in (("sp0.9-", 9), ("", 10), ("sp1.1-", 11))
        for number, samples in enumerate(TRAIN_SAMPLES)
    }
    assert copies == expected
    speakers = set(read_table(dump / "train_clean_5_sp/utt2spk").values())
    assert speakers == {"1737", "sp0.9-1737", "sp1.1-1737"}
    shorter = {i for i, samples in expected.items() if int(samples) < 15 * 16_000}
    assert set(read_table(dump / "train_clean_5_sp/wav.scp")) == shorter
    assert (len(expected), len(shorter)) == (54, 39)


def check_samples(recipe: Path, corpus: Path) -> None:
    for utt_id, name in read_table(recipe / "dump/raw/org/test_clean/wav.scp").items():
        speaker, chapter, _ = utt_id.split("-")
        samples, rate = soundfile.read(recipe / name, dtype="int16")
        assert rate == 16_000
        source = corpus / speaker / chapter / f"{utt_id}.flac"
        assert (samples == soundfile.read(source, dtype="int16")[0]).all()


def test_missing_parts_are_named(genuine: Any) -> None:
    error = genuine.fail("--data_size", "360", "--stop_stage", "1")
    assert "local/data.sh: error: parts of LibriSpeech are missing." in error
    assert "without dev-clean dev-other test-other train-clean-360\n" in error
    assert not (genuine.folder / "data/.done.1").exists()


def archive_of(part: str) -> bytes:
    speaker, buffer = zlib.crc32(part.encode()), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in (f"{speaker}-1.trans.txt", f"{speaker}-1-0000.flac"):
            content = f"{speaker}-1-0000 {part.upper()}\n".encode()
            member = tarfile.TarInfo(f"LibriSpeech/{part}/{speaker}/1/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_only_what_is_needed_is_downloaded(
    size: str, librispeech: Any, make_server: Callable[[], Any]
) -> None:
    server = make_server()
    for resource, sizes in (("31", ("mini",)), ("12", ("960",))):
        lines = []
        for part in " ".join(SIZES[name] for name in sizes).split():
            content = archive_of(part)
            server.files[f"/{resource}/{part}.tar.gz"] = content
            lines.append(f"{hashlib.md5(content).hexdigest()}  {part}.tar.gz\n")
        server.files[f"/{resource}/md5sum.txt"] = "".join(lines).encode()
    librispeech.environment["OPENSLR"] = f"http://127.0.0.1:9 {server.url}"
    options = ("--data_size", size, "--stop_stage", "1", "--local_data_opts")
    librispeech.succeed(*options, "--remove_archives true")
    parts = {path.name for path in (librispeech.folder / "downloads/LibriSpeech").iterdir()}
    assert parts == set(SIZES[size].split())
    assert {path.name for path in (librispeech.folder / "downloads").iterdir()} == {"LibriSpeech"}
    folder = librispeech.folder / "data"
    joined = set(
        read_table(folder / ("dev_clean_2" if size == "mini" else "dev") / "text").values()
    )
    assert joined == ({"DEV-CLEAN-2"} if size == "mini" else {"DEV-CLEAN", "DEV-OTHER"})


def test_texts_of_a_language_model_are_downloaded_if_asked_for(
    librispeech: Any, make_server: Callable[[], Any], shared_dir: Path
) -> None:
    server = make_server()
    content = gzip.compress(b"A SENTENCE\nANOTHER ONE\n")
    listed = f"{hashlib.md5(content).hexdigest()}  librispeech-lm-norm.txt.gz\n"
    server.files["/11/librispeech-lm-norm.txt.gz"] = content
    server.files["/11/md5sum.txt"] = listed.encode()
    genuine_files = str(shared_dir / "data/true_format")
    librispeech.environment |= {"OPENSLR": server.url, "LIBRISPEECH": genuine_files}
    texts = "data/train_clean_5/text data/local/other_text/text"
    sets = ("--data_size", "mini", "--valid_set", "test_clean", "--test_sets", "test_clean")
    options = (*sets, "--use_lm", "true", "--lm_train_text", texts, "--stop_stage", "1")
    librispeech.succeed(*options)
    other = librispeech.folder / "data/local/other_text/text"
    assert other.read_text().splitlines() == [
        "librispeech_lng_00000001 A SENTENCE",
        "librispeech_lng_00000002 ANOTHER ONE",
    ]
    assert (librispeech.folder / "downloads/librispeech-lm-norm.txt.gz").exists()
    assert "done before" in librispeech.succeed(*options)
