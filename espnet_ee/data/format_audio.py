"""Format audio (recipe stage 3): any files -> one mono 16-bit file per utterance at one rate.

Utterances that are segments of a recording are cut from it by range, without a copy between. Each
finished file is written down in a diary, so that an interrupted run goes on where it stopped and a
changed source is converted anew. Jobs convert a share each (``--part 1/4``), on as many machines as
there are; the call without a share does what they left and writes the data directory.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_ee.data.audio import RATE, Span, encode, read_audio, resample
from espnet_ee.data.command import rate, run_command
from espnet_ee.data.files import disk_error, write_bytes_atomic, write_lines_atomic
from espnet_ee.data.kaldi import DataDir, read_data_dir, write_data_dir
from espnet_ee.data.speed import read_speeds
from espnet_ee.data.split_keys import split_evenly
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

DIARY = ".formatted"  # of a part: .formatted.3
Part = tuple[int, int]
Notes = tuple[str, ...]
Finished = dict[str, tuple[int, Notes]]  # utterance id -> samples, notes


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
    notes: Notes = ()
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


def format_part(source: Path, target: Path, *, rate: int, audio_format: str, part: Part) -> None:
    """Convert a share of ``source``; bad files are left to ``format_audio``, which names them all.

    Args:
        source: A data directory.
        target: Where the formatted audio goes.
        rate: Samples per second.
        audio_format: flac or wav.
        part: Number of the share, from 1, and how many there are.

    Raises:
        DataError: the disk is full. What was finished stays.
    """
    data = read_data_dir(source)
    jobs = _jobs(data, read_speeds(source), target, rate, audio_format)
    share = split_evenly(jobs, part[1])[part[0] - 1]
    try:
        target.mkdir(parents=True, exist_ok=True)
        _convert_missing(share, _finished(target, share), target / f"{DIARY}.{part[0]}")
    except OSError as error:
        raise disk_error(error, f"formatting {source}", target) from None


def format_audio(source: Path, target: Path, *, rate: int, audio_format: str) -> dict[str, int]:
    """Write ``target`` as a data directory of formatted audio with ``utt2num_samples``.

    Returns:
        Utterance id -> number of samples.

    Raises:
        DataError: bad audio files (all are named), or the disk is full. What was finished stays.
    """
    data = read_data_dir(source)
    jobs = _jobs(data, read_speeds(source), target, rate, audio_format)
    try:
        target.mkdir(parents=True, exist_ok=True)
        (target / "wav.scp").unlink(missing_ok=True)
        finished = _finished(target, jobs)
        outcomes = _convert_missing(jobs, finished, target / DIARY)
        _raise_bad(source, outcomes)
        finished |= {outcome.utt_id: (outcome.num_samples, outcome.notes) for outcome in outcomes}
        lengths = {utt_id: num_samples for utt_id, (num_samples, _) in finished.items()}
        _write_target(target, data, jobs, lengths)
    except OSError as error:
        raise disk_error(error, f"formatting {source}", target) from None
    hours = sum(lengths.values()) / rate / 3600
    logger.info("%s: %d utterances, %.2f hours", target, len(lengths), hours)
    notes = Counter(note for _, notes in finished.values() for note in notes if note)
    for note, files in notes.items():
        logger.info("%s: %s: %d files", target, note, files)
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


def _finished(target: Path, jobs: Sequence[Job]) -> Finished:
    """Lengths and notes of what was converted from the same source, by whichever part."""
    known: dict[tuple[str, str], tuple[int, Notes]] = {}
    for diary in target.glob(f"{DIARY}*"):
        for line in diary.read_text(encoding="utf-8").split("\n"):
            match line.split("\t"):
                case [utt_id, num_samples, fingerprint, notes]:
                    known[utt_id, fingerprint] = int(num_samples), tuple(notes.split(";"))
    found = ((job, known.get((job.utt_id, job.fingerprint()))) for job in jobs)
    return {job.utt_id: entry for job, entry in found if entry and job.target.exists()}


def _convert_missing(jobs: Sequence[Job], finished: Finished, diary: Path) -> list[Outcome]:
    """Convert in order what is not finished, and write it down; a full disk raises OSError."""
    todo = [job for job in jobs if job.utt_id not in finished]
    if todo:
        logger.info("%s: converting %d of %d utterances", diary.parent, len(todo), len(jobs))
    outcomes = []
    with diary.open("a", encoding="utf-8", buffering=1) as stream:
        stream.write("\n")  # ends a line that an interrupted run left half written
        for job in todo:
            done = convert(job)
            outcomes.append(done)
            if not done.error:
                values = (done.utt_id, done.num_samples, done.fingerprint, ";".join(done.notes))
                stream.write("\t".join(map(str, values)) + "\n")
    return outcomes


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


def part_of(text: str) -> Part:
    """``2/4`` as type of an argument: the second of four parts."""
    found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", text)
    if found is None or int(found[1]) > int(found[2]):
        raise argparse.ArgumentTypeError(f"want a part like 1/4, got '{text}'")
    return int(found[1]), int(found[2])


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert the audio of a data directory.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--fs", type=rate, default=RATE, help="Hz; 16k means 16000")
    parser.add_argument("--audio_format", choices=("flac", "wav"), default="flac")
    parser.add_argument("--part", type=part_of, help="convert only a share, e.g. 1/4")
    args = parser.parse_args()
    if args.part:
        format_part(
            args.source, args.target, rate=args.fs, audio_format=args.audio_format, part=args.part
        )
    else:
        format_audio(args.source, args.target, rate=args.fs, audio_format=args.audio_format)


if __name__ == "__main__":
    run_command(main)
