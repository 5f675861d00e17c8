"""The embedded corpus of egs2/mini_ee is what its README says, and what its script makes."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

np = pytest.importorskip("numpy")
soundfile = pytest.importorskip("soundfile")
pytest.importorskip("scipy")

RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "mini_ee"
CORPUS = RECIPE / "corpus"
MINUTES = {"train": (43, 47), "dev": (3, 4), "test_clean": (5, 5.5), "test_noisy": (5, 5.5)}
MAX_BYTES = 8_000_000


class Row(NamedTuple):
    """One utterance in MANIFEST.tsv."""

    utterance: str
    part: str
    noise: str
    snr_db: float
    level_dbfs: float
    samples: int
    sha256: str

    @property
    def audio(self) -> Path:
        """Where the audio lies, in LibriSpeech's layout."""
        speaker, chapter, _ = self.utterance.split("-")
        return CORPUS / self.part / speaker / chapter / f"{self.utterance}.opus"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Return all rows of MANIFEST.tsv."""
    found = []
    for line in (CORPUS / "MANIFEST.tsv").read_text().splitlines()[2:]:
        utterance, part, noise, snr, level, samples, sha256 = line.split("\t")
        found.append(Row(utterance, part, noise, float(snr), float(level), int(samples), sha256))
    return found


@pytest.fixture(scope="module")
def texts() -> dict[str, dict[str, str]]:
    """Return the transcripts as {part: {utterance: text}}."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for path in CORPUS.glob("*/*/*/*.trans.txt"):
        part = path.relative_to(CORPUS).parts[0]
        found[part].update(line.split(" ", 1) for line in path.read_text().splitlines())
    return found


@pytest.fixture
def synthesise(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script as a module."""
    monkeypatch.syspath_prepend(str(RECIPE / "local"))
    return __import__("synthesise")


def test_the_corpus_and_its_scripts_fit_in_8_megabytes():
    files = [p for room in ("corpus", "local") for p in (RECIPE / room).rglob("*") if p.is_file()]
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES


def test_every_file_is_16_khz_mono_and_as_long_as_the_manifest_says(rows):
    for row in rows:
        info = soundfile.info(row.audio)
        shape = (info.samplerate, info.channels, info.frames)
        assert shape == (16000, 1, row.samples), row.audio


def test_audio_transcripts_and_manifest_name_the_same_utterances(rows, texts):
    on_disk = {(p.relative_to(CORPUS).parts[0], p.stem) for p in CORPUS.rglob("*.opus")}
    assert on_disk == {(row.part, row.utterance) for row in rows}
    assert on_disk == {(part, utt) for part, of_part in texts.items() for utt in of_part}


@pytest.mark.parametrize("part", MINUTES)
def test_minutes_of_speech(rows, part):
    low, high = MINUTES[part]
    assert low <= sum(row.samples for row in rows if row.part == part) / 16000 / 60 <= high


def test_train_dev_and_tests_share_no_voice():
    variants, ids = defaultdict(set), defaultdict(set)
    for line in (CORPUS / "SPEAKERS.TXT").read_text().splitlines()[1:]:
        speaker, _, part, _, name = (field.strip() for field in line.split("|"))
        variants[part].add(name.split(",")[0].split("+")[1])
        ids[part].add(speaker)
    for group in (variants, ids):
        assert group["test_clean"] == group["test_noisy"]
        assert group["train"].isdisjoint(group["dev"] | group["test_clean"])
        assert group["dev"].isdisjoint(group["test_clean"])


def test_no_sentence_of_train_is_tested(texts):
    sentences = {part: set(of_part.values()) for part, of_part in texts.items()}
    assert sentences["test_clean"] == sentences["test_noisy"]
    assert sentences["train"].isdisjoint(sentences["dev"] | sentences["test_clean"])


def test_words_are_upper_case_and_known_from_train(texts):
    words = {p: {w for t in of_part.values() for w in t.split()} for p, of_part in texts.items()}
    assert 100 <= len(words["train"]) <= 200
    assert words["dev"] | words["test_clean"] <= words["train"]
    assert all(word.isalpha() and word.isupper() for word in words["train"])


def test_the_tests_differ_in_noise_only(rows):
    noisy = [row for row in rows if row.part == "test_noisy"]
    assert all(0 <= row.snr_db <= 10 and row.noise != "room" for row in noisy)
    assert all(row.noise == "room" for row in rows if row.part == "test_clean")
    train = [row.noise != "room" for row in rows if row.part == "train"]
    assert 0.35 <= sum(train) / len(train) <= 0.45


def test_levels_are_as_stated_without_clipping(rows):
    for row in rows[::20]:
        samples, _ = soundfile.read(row.audio)
        level_dbfs = 10 * np.log10(np.mean(np.square(samples)))
        assert abs(level_dbfs - row.level_dbfs) < 2.5, row.audio  # Opus loses about 0.5 dB
        assert np.abs(samples).max() < 1.0, row.audio


def test_clean_speech_starts_and_ends_with_a_short_silence(rows):
    for row in [row for row in rows if row.part == "test_clean"][::5]:
        samples, rate_hz = soundfile.read(row.audio)
        power = np.square(samples)
        edge, inside = round(0.1 * rate_hz), round(0.3 * rate_hz)
        for quiet in (power[:edge], power[-edge:]):
            assert quiet.mean() < power.mean() / 100, row.audio
        for speech in (power[:inside], power[-inside:]):
            assert speech.max() > power.mean() / 100, row.audio


@pytest.mark.parametrize("snr_db", [0.0, 7.5, 40.0])
def test_noise_has_the_stated_ratio(synthesise, snr_db):
    rng = np.random.default_rng(0)
    speech, noise = rng.standard_normal(16000), synthesise.coloured(16000, rng)
    scaled = synthesise.scaled_to_snr(noise, speech, snr_db)
    assert 10 * np.log10(np.mean(speech**2) / np.mean(scaled**2)) == pytest.approx(snr_db)


def test_the_plan_is_what_was_committed(synthesise, rows):
    plan = synthesise.plan()
    assert [(u.utt_id, u.noise, u.snr_db, u.level_dbfs) for u in plan] == [
        (row.utterance, row.noise, row.snr_db, row.level_dbfs) for row in rows
    ]
    for name, text in synthesise.transcripts(plan).items():
        assert (CORPUS / name).read_text() == text


@pytest.mark.parametrize("noise", ["room", "coloured", "tones"])
def test_the_same_espeak_gives_the_same_samples(synthesise, rows, noise):
    committed = (CORPUS / "MANIFEST.tsv").read_text().splitlines()[0].removeprefix("# espeak-ng ")
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed")
    if synthesise.espeak_version() != committed:
        pytest.skip(f"espeak-ng {synthesise.espeak_version()}, the corpus is of {committed}")
    index = next(i for i, row in enumerate(rows) if row.noise == noise)
    utterance = synthesise.plan()[index]
    row = synthesise.manifest_row(utterance, synthesise.render(utterance, talkers=[]))
    assert row.split("\t")[-2:] == [str(rows[index].samples), rows[index].sha256]


def test_data_sh_is_valid_shell():
    subprocess.run(["bash", "-n", RECIPE / "local" / "data.sh"], check=True)
