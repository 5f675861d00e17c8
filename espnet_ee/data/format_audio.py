"""Format audio (recipe stage 3): any files -> one mono 16-bit file per utterance at one rate.

Utterances that are segments of a recording are cut from it by range, without a copy between. Each
finished file is written down in ``.formatted``, so that an interrupted run goes on where it
stopped and a changed source is converted anew.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import multiprocessing
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from espnet_ee.data.audio import RATE, Span, encode, read_audio, resample
from espnet_ee.data.command import count, rate, run_command
from espnet_ee.data.files import FULL, disk_error, write_bytes_atomic, write_lines_atomic
from espnet_ee.data.kaldi import DataDir, read_data_dir, write_data_dir
from espnet_ee.data.speed import read_speeds
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

CHUNK = (
    32  # utterances per task: some seconds of work, so that little is lost and little is waited for
)
FORMATTED = ".formatted"


@dataclass(frozen=True)
class Job:
    """One utterance to convert."""

    utt_id: str
    source: str
    target: Path
    speed: float
    rate: int
    span: Span | None = None

    def fingerprint(self) -> str:
        """Changes when the source file or what is made of it changes."""
        try:
            status = os.stat(self.source)
        except OSError:
            return "missing"
        part = f"|{self.span[0]:.3f}-{self.span[1]:.3f}" if self.span else ""
        file = f"{self.source}|{status.st_size}|{status.st_mtime_ns}"
        return f"{file}|{self.speed}|{self.rate}{part}"


@dataclass(frozen=True)
class Outcome:
    """What became of one job: a length, or an error."""

    utt_id: str
    num_samples: int = 0
    fingerprint: str = ""
    notes: tuple[str, ...] = ()
    error: str = ""


def convert(job: Job) -> Outcome:
    """Read, change and write one utterance; a bad file is an outcome, a full disk raises."""
    fingerprint = job.fingerprint()
    try:
        audio = read_audio(job.source, job.rate, span=job.span)
    except DataError as error:
        return Outcome(job.utt_id, error=str(error))
    samples = resample(audio.samples, job.rate, job.rate, job.speed)
    notes = audio.notes
    if np.abs(samples).max() > 1.0:
        notes += ("clipped at full scale",)
    job.target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(job.target, encode(samples, job.rate, job.target.suffix[1:]))
    return Outcome(job.utt_id, len(samples), fingerprint, notes)


def convert_all(jobs: Sequence[Job]) -> list[Outcome]:
    """Convert jobs in order; what was done before the disk filled up is not forgotten."""
    outcomes = []
    for job in jobs:
        try:
            outcomes.append(convert(job))
        except OSError as error:
            if error.errno not in FULL or not outcomes:
                raise
            break
    return outcomes


def format_audio(
    source: Path, target: Path, *, rate: int, audio_format: str, num_jobs: int
) -> dict[str, int]:
    """Write ``target`` as a data directory of formatted audio with ``utt2num_samples``.

    Returns:
        Utterance id -> number of samples.

    Raises:
        DataError: bad audio files (all are named), or the disk is full. What was finished stays.
    """
    data = read_data_dir(source)
    jobs = _jobs(data, read_speeds(source), target, rate, audio_format)
    lengths = _finished(target, jobs)
    todo = [job for job in jobs if job.utt_id not in lengths]
    if lengths and todo:
        logger.info("%s: %d of %d utterances were done before", target, len(lengths), len(jobs))
    try:
        target.mkdir(parents=True, exist_ok=True)
        (target / "wav.scp").unlink(missing_ok=True)
        outcomes = _run(todo, target / FORMATTED, num_jobs)
        _raise_bad(source, outcomes)
        lengths |= {outcome.utt_id: outcome.num_samples for outcome in outcomes}
        _write_target(target, data, jobs, lengths)
    except OSError as error:
        raise disk_error(error, f"formatting {source}", target) from None
    _report(target, lengths, rate, outcomes)
    return lengths


def _jobs(
    data: DataDir, speeds: dict[str, float], target: Path, rate: int, audio_format: str
) -> list[Job]:
    jobs = []
    for utt_id in sorted(data.text):  # segments of one recording follow each other
        # 256 folders keep directories small; unlike an index, a checksum does not shift
        folder = target / "data" / f"{zlib.crc32(utt_id.encode()) % 256:02x}"
        path = folder / f"{utt_id}.{audio_format}"
        wav, span = data.source(utt_id)
        jobs.append(Job(utt_id, wav, path, speeds.get(utt_id, 1.0), rate, span))
    return jobs


def _finished(target: Path, jobs: Sequence[Job]) -> dict[str, int]:
    """Lengths of the utterances that an earlier run converted from the same source."""
    diary = target / FORMATTED
    lines = diary.read_text(encoding="utf-8").split("\n") if diary.exists() else []
    known = {
        parts[0]: (parts[1], parts[2]) for line in lines if len(parts := line.split("\t")) == 3
    }
    return {
        job.utt_id: int(known[job.utt_id][0])
        for job in jobs
        if job.utt_id in known and known[job.utt_id][1] == job.fingerprint() and job.target.exists()
    }


def _run(jobs: Sequence[Job], diary: Path, num_jobs: int) -> list[Outcome]:
    outcomes: list[Outcome] = []
    with diary.open("a", encoding="utf-8") as stream:
        stream.write("\n")  # ends a line that an interrupted run left half written
        for done in _in_parallel(jobs, num_jobs):
            _write_down(done, stream)
            outcomes += done
    _check_complete(jobs, outcomes)
    return outcomes


def _in_parallel(jobs: Sequence[Job], num_jobs: int) -> Iterator[list[Outcome]]:
    chunks = [list(chunk) for chunk in _batched(jobs, CHUNK)]
    if num_jobs == 1 or len(chunks) < 2:
        yield from map(convert_all, chunks)
        return
    context = multiprocessing.get_context("spawn")  # fork is unsafe beside numerical threads
    with ProcessPoolExecutor(min(num_jobs, len(chunks)), mp_context=context) as pool:
        futures: list[Future[list[Outcome]]] = [pool.submit(convert_all, c) for c in chunks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _batched(jobs: Sequence[Job], size: int) -> Iterator[tuple[Job, ...]]:
    iterator = iter(jobs)
    while chunk := tuple(itertools.islice(iterator, size)):
        yield chunk


def _write_down(outcomes: Sequence[Outcome], stream: TextIO) -> None:
    for outcome in outcomes:
        if not outcome.error:
            stream.write(f"{outcome.utt_id}\t{outcome.num_samples}\t{outcome.fingerprint}\n")
    stream.flush()


def _check_complete(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    """A chunk cut short means that the disk filled up in its midst."""
    if len(outcomes) < len(jobs):
        raise OSError(FULL[0], os.strerror(FULL[0]))


def _raise_bad(source: Path, outcomes: Sequence[Outcome]) -> None:
    bad = [outcome for outcome in outcomes if outcome.error]
    if not bad:
        return
    shown = "\n".join(f"{o.utt_id}: {o.error}" for o in bad[:10])
    more = f"\n(and {len(bad) - 10} more)" if len(bad) > 10 else ""
    raise DataError(
        f"{source}: {len(bad)} audio files are bad; the others are kept.\n{shown}{more}",
        fix=f"mend the files, or take them out of {source}/wav.scp (or segments) and run "
        f"python -m espnet_ee.data.kaldi --fix {source}; then the same command again",
    )


def _write_target(
    target: Path, data: DataDir, jobs: Sequence[Job], lengths: dict[str, int]
) -> None:
    write_lines_atomic(
        target / "utt2num_samples", (f"{job.utt_id} {lengths[job.utt_id]}" for job in jobs)
    )
    wav_scp = {job.utt_id: str(job.target) for job in jobs}
    write_data_dir(target, DataDir(wav_scp, data.text, data.utt2spk))


def _report(target: Path, lengths: dict[str, int], rate: int, outcomes: Sequence[Outcome]) -> None:
    hours = sum(lengths.values()) / rate / 3600
    logger.info(
        "%s: %d utterances, %.2f hours, %d converted now",
        target,
        len(lengths),
        hours,
        len(outcomes),
    )
    for note, files in Counter(note for o in outcomes for note in o.notes).items():
        logger.info("%s: %s: %d files", target, note, files)


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert the audio of a data directory.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--fs", type=rate, default=RATE, help="Hz; 16k means 16000")
    parser.add_argument("--audio_format", choices=("flac", "wav"), default="flac")
    parser.add_argument("--nj", type=count, default=1, help="processes")
    args = parser.parse_args()
    format_audio(
        args.source, args.target, rate=args.fs, audio_format=args.audio_format, num_jobs=args.nj
    )


if __name__ == "__main__":
    run_command(main)
