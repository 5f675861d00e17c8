"""Time and memory of the recipe stages that read metadata, on a corpus of LibriSpeech-960's shape.

python -m benchmarks.data_stages /tmp/made
python -m benchmarks.data_stages /tmp/made --share 0.01

Folders, ids, numbers of utterances and lengths are like LibriSpeech's; texts are random words and
audio files are empty. Stage 3, which reads audio, is replaced by its list of lengths.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.kaldi import read_data_dir, write_data_dir

RECIPE = Path(__file__).resolve().parent.parent / "egs2/librispeech_ee"
PARTS = {  # utterances of each part that --data_size 960 reads
    "train-clean-100": 28_539,
    "train-clean-360": 104_014,
    "train-other-500": 148_688,
    "dev-clean": 2_703,
    "dev-other": 2_864,
    "test-clean": 2_620,
    "test-other": 2_939,
}
TRAIN = ("train-clean-100", "train-clean-360", "train-other-500")  # 281,241 utterances
PER_CHAPTER, CHAPTERS = 48, 2.4  # utterances per chapter, chapters per speaker, about
WORDS_PER_SEC = 2.7  # 9.4 million words in 961 hours
MEAN_SEC, DEVIATION_SEC, SHORTEST_SEC, LONGEST_SEC = 12.3, 3.8, 1.3, 24.5
VOCABULARY = 90_000
RATE = 16_000  # Hz
STATISTICS_JOBS = 32
HEADER = "|stage|utterances|wall s|CPU s|peak GB|"


def words(generator: np.random.Generator) -> np.ndarray:
    """Random words of two to ten letters, the frequent ones short, as Zipf's law has it."""
    letters = np.array(list("ETAOINSHRDLUCMFWYPVBGKQJXZ"))
    weights = 1.0 / np.arange(1, 27)
    lengths = np.clip(np.log2(np.arange(2, VOCABULARY + 2)).astype(int), 2, 10)
    drawn = generator.choice(letters, size=(VOCABULARY, 10), p=weights / weights.sum())
    return np.array(["".join(row[:n]) for row, n in zip(drawn, lengths, strict=True)])


def texts(generator: np.random.Generator, vocabulary: np.ndarray, count: int) -> Iterator[str]:
    """One text per utterance, as long as its speech."""
    frequency = 1.0 / np.arange(1, VOCABULARY + 1)
    steps = np.cumsum(frequency / frequency.sum())
    for seconds in durations(generator, count):
        ranks = np.searchsorted(steps, generator.random(max(round(seconds * WORDS_PER_SEC), 1)))
        yield " ".join(vocabulary[np.minimum(ranks, VOCABULARY - 1)])


def durations(generator: np.random.Generator, count: int) -> np.ndarray:
    """Seconds, distributed about like LibriSpeech's training speech."""
    drawn = generator.normal(MEAN_SEC, DEVIATION_SEC, count)
    return np.clip(drawn, SHORTEST_SEC, LONGEST_SEC)


def make_part(folder: Path, first_speaker: int, count: int, spoken: Iterator[str]) -> int:
    """Write a part of ``count`` utterances; return the number of the next free speaker."""
    speaker = first_speaker
    for chapter, start in enumerate(range(0, count, PER_CHAPTER)):
        speaker = first_speaker + int(chapter / CHAPTERS)
        home = folder / str(speaker) / str(100_000 + chapter)
        home.mkdir(parents=True)
        prefix = f"{speaker}-{100_000 + chapter}"
        ids = [f"{prefix}-{n:04}" for n in range(min(PER_CHAPTER, count - start))]
        (home / f"{prefix}.trans.txt").write_text("".join(f"{i} {next(spoken)}\n" for i in ids))
        for utt_id in ids:
            (home / f"{utt_id}.flac").touch()
    return speaker + 1


def make_corpus(root: Path, share: float) -> None:
    generator = np.random.default_rng(0)
    vocabulary, speaker = words(generator), 1
    for part, whole in PARTS.items():
        count = max(round(whole * share), 1)
        spoken = texts(generator, vocabulary, count)
        speaker = make_part(root / part, speaker, count, spoken)


def stand_in_for_stage_3(recipe: Path) -> None:
    """Write what stage 3 leaves, without any audio."""
    generator = np.random.default_rng(1)
    for name in ("train_960_sp", "dev"):
        data = read_data_dir(recipe / "data" / name)
        samples = (durations(generator, len(data.wav_scp)) * RATE).astype(int)
        target = recipe / "dump/raw/org" / name
        pairs = zip(sorted(data.wav_scp), samples, strict=True)
        write_lines_atomic(target / "utt2num_samples", (f"{i} {n}" for i, n in pairs))
        write_data_dir(target, data)


class Spent(NamedTuple):
    """What a command and its children took; the memory is that of the largest process."""

    wall_sec: float
    cpu_sec: float
    peak_gb: float


def measure(command: Sequence[str], folder: Path, **variables: str) -> Spent:
    """Run a command to its end.

    Raises:
        SystemExit: it failed.
    """
    started = time.monotonic()
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | variables, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed, log in {folder}/log")
    cpu_sec = usage.ru_utime + usage.ru_stime
    return Spent(time.monotonic() - started, cpu_sec, usage.ru_maxrss * 1024 / 1e9)


def count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(1 for _ in stream)


def run_stages(recipe: Path, corpus: Path) -> Iterator[tuple[str, int, Spent]]:
    """Name, utterances read and costs of each stage."""
    for name in ("run.sh", "asr_ee.sh", "cmd.sh", "path.sh", "db.sh", "local", "conf"):
        (recipe / name).symlink_to(RECIPE / name)
    raw = recipe / "dump/raw"
    for number, table in (
        (1, recipe / "data/train_960/text"),
        (2, recipe / "data/train_960_sp/text"),
        (4, raw / "org/train_960_sp/text"),
        (5, recipe / "data/train_960/text"),
    ):
        if number == 4:
            stand_in_for_stage_3(recipe)
        stage = ("--stage", str(number), "--stop_stage", str(number))
        command = ("./run.sh", "--data_size", "960", *stage)
        spent = measure(command, recipe, LIBRISPEECH=str(corpus), PYTHON=sys.executable)
        yield str(number), count_lines(table), spent
    split = (sys.executable, "-m", "espnet_ee.data.split_keys", str(STATISTICS_JOBS))
    source = raw / "train_960_sp/wav.scp"
    spent = measure((*split, f"{source}:{recipe}/keys"), recipe, PYTHONPATH=str(RECIPE.parents[1]))
    yield "10, split for jobs", count_lines(source), spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a new folder for corpus and recipe")
    parser.add_argument("--share", type=float, default=1.0, help="of LibriSpeech's utterances")
    args = parser.parse_args()
    corpus, recipe = args.folder.resolve() / "LibriSpeech", args.folder.resolve() / "recipe"
    recipe.mkdir(parents=True)
    make_corpus(corpus, args.share)
    print(f"{HEADER}\n|---|---|---|---|---|")
    for name, count, (wall_sec, cpu_sec, peak_gb) in run_stages(recipe, corpus):
        print(f"|{name}|{count:,}|{wall_sec:.0f}|{cpu_sec:.0f}|{peak_gb:.2f}|", flush=True)


if __name__ == "__main__":
    main()
