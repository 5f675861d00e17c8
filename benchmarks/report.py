"""Time and memory of the whole report of an experiment as large as LibriSpeech's test sets.

python -m benchmarks.report /tmp/made

Two sets, one to choose thresholds on: 5,567 utterances of dev-clean and dev-other, 5,559 of the
test sets. Each is made of three drawn from the recorded ones of AN4, one after the other, so texts,
scores, costs and errors are a real model's; speakers are as many as LibriSpeech's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from espnet_ee.records import (
    RECORD_NAME,
    ExitHypothesis,
    Record,
    RecordWriter,
    UtteranceRecord,
    read_record,
)

RECORDS = Path(__file__).resolve().parent.parent / "egs2/an4_ee/records"
SOURCE = RECORDS / "exits_2_4_6_8_10_12/inference_asr_model_valid.cer_ctc.ave"
SETS = {"dev": ("train_dev", 5_567), "test": ("test", 5_559)}  # name: its source, utterances
SPEAKERS = 73
POLICIES = 8
JOINED = 3  # recorded utterances in each: sentences of AN4 are a third as long as LibriSpeech's


def joined(parts: list[UtteranceRecord], number: int, policies: list[str]) -> UtteranceRecord:
    """Several utterances one after the other, as one of another speaker."""

    def sums(name: str) -> tuple[float, ...]:
        return tuple(np.sum([getattr(part, name) for part in parts], axis=0).tolist())

    exits = [
        ExitHypothesis(
            " ".join(exit_.text for exit_ in heard),
            sum((exit_.tokens for exit_ in heard), ()),
            {name: float(np.mean([exit_.scores[name] for exit_ in heard])) for name in policies},
        )
        for heard in zip(*(part.exits for part in parts), strict=True)
    ]
    speaker = f"{number % SPEAKERS:03d}"
    return UtteranceRecord(
        utt_id=f"{speaker}-{number:05d}",
        speaker=speaker,
        ref=" ".join(part.ref or "" for part in parts),
        seconds=sum(part.seconds for part in parts),
        frames=sum(part.frames for part in parts),
        body_gflops=sums("body_gflops"),
        head_gflops=sums("head_gflops"),
        text_gflops=sums("text_gflops"),
        exits=tuple(exits),
    )


def make(folder: Path) -> None:
    """Write the experiment."""
    generator = np.random.default_rng(0)
    for name, (source, count) in SETS.items():
        record: Record = read_record(SOURCE / source / RECORD_NAME)
        policies = list(record.header.policies)[:POLICIES]
        kept = {policy: record.header.policies[policy] for policy in policies}
        path = folder / "greedy" / name / RECORD_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        with RecordWriter(path, replace(record.header, set_name=name, policies=kept)) as writer:
            for number in range(count):
                rows = generator.integers(len(record.utterances), size=JOINED)
                parts = [record.utterances[row] for row in rows]
                writer.write(joined(parts, number, policies))


def main() -> None:
    """Make the records, then report on them in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new one")
    folder = parser.parse_args().folder
    make(folder)
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", "espnet_ee", "report", str(folder)])
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(os.waitstatus_to_exitcode(status))
    seconds = time.perf_counter() - start
    utterances = sum(count for _, count in SETS.values())
    print("|utterances|exits|policies|wall s|CPU s|peak GB|page MB|")
    print("|---|---|---|---|---|---|---|")
    print(
        f"|{utterances:,}|6|{POLICIES}|{seconds:.1f}|{usage.ru_utime + usage.ru_stime:.1f}"
        f"|{usage.ru_maxrss / 2**20:.2f}|{(folder / 'index.html').stat().st_size / 1e6:.2f}|"
    )


if __name__ == "__main__":
    main()
