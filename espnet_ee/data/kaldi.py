"""Kaldi data directories: ``wav.scp``, ``text``, ``utt2spk``, ``spk2utt``, perhaps ``segments``.

``python -m espnet_ee.data.kaldi data/train data/dev`` checks directories; with ``--fix`` it sorts
them and drops what does not match.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from espnet_ee.data.audio import Span
from espnet_ee.data.command import run_command
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.segments import Segment, beyond_end, parse_segments, segment_problems
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataDir:
    """The utterances of one set; the tables have the same ids.

    Attributes:
        wav_scp: utterance id -> audio file; with segments, recording -> audio file.
        text: utterance id -> transcript, possibly empty.
        utt2spk: utterance id -> speaker.
        segments: utterance id -> part of a recording; empty if each utterance has its own file.
    """

    wav_scp: Mapping[str, str]
    text: Mapping[str, str]
    utt2spk: Mapping[str, str]
    segments: Mapping[str, Segment] = field(default_factory=dict)

    def subset(self, ids: Collection[str]) -> DataDir:
        """The same set with the utterances of ``ids`` only, and the recordings they need."""
        segments = {i: self.segments[i] for i in self.segments if i in ids}
        files = {segment.recording for segment in segments.values()} if self.segments else ids
        return DataDir(
            {i: self.wav_scp[i] for i in self.wav_scp if i in files},
            {i: self.text[i] for i in self.text if i in ids},
            {i: self.utt2spk[i] for i in self.utt2spk if i in ids},
            segments,
        )

    def source(self, utt_id: str) -> tuple[str, Span | None]:
        """The audio file of an utterance, and which part of it; None is the whole file."""
        segment = self.segments.get(utt_id)
        if segment is None:
            return self.wav_scp[utt_id], None
        return self.wav_scp[segment.recording], segment.span

    def tables(self) -> dict[str, Mapping[str, str]]:
        """File name -> table, in the order in which they are written: wav.scp last."""
        tables = {"wav.scp": self.wav_scp, "text": self.text, "utt2spk": self.utt2spk}
        if self.segments:
            tables["segments"] = {i: str(segment) for i, segment in self.segments.items()}
        return tables

    @property
    def size(self) -> str:
        """For a line of log."""
        return f"{len(self.text)} utterances of {len(self.speakers())} speakers"

    def speakers(self) -> dict[str, list[str]]:
        """Speaker -> its utterance ids, both sorted."""
        grouped: dict[str, list[str]] = {}
        for utt_id, speaker in sorted(self.utt2spk.items()):
            grouped.setdefault(speaker, []).append(utt_id)
        return dict(sorted(grouped.items()))


def some(ids: Iterable[str], limit: int = 5) -> str:
    """The first few ids, and how many more there are."""
    listed = sorted(ids)
    rest = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + rest


def read_table(path: Path) -> dict[str, str]:
    """Read ``key value...`` lines; the value may be empty.

    Raises:
        DataError: the file is missing, unreadable, not UTF-8, or has a key twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise DataError(f"{path} is missing.", fix="run the stage that makes it") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text.", got=str(error), fix="convert it") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read.", got=str(error), want="a text file") from error
    table: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        key, *value = line.split(maxsplit=1)[:2] or [""]
        if key in table:
            raise DataError(
                f"{path}:{number}: {key} is there twice.", want="each utterance id once"
            )
        if key:
            table[key] = value[0].strip() if value else ""
    return table


def read_data_dir(path: Path, *, open_audio: bool = False) -> DataDir:
    """Read a data directory and check that its files agree.

    Args:
        path: the directory.
        open_audio: also check that no segment ends after its recording.

    Raises:
        DataError: with every problem found.
    """
    tables = _read_tables(path)
    problems = [*_mismatches(tables), *_bad_values(tables, open_audio)]
    if problems:
        key = _key_table(tables)
        raise DataError(
            f"{path} is not a sound data directory: {problems[0]}",
            got="; ".join(problems[1:]),
            want=f"the same utterance ids in {key}, text and utt2spk",
            fix=f"python -m espnet_ee.data.kaldi --fix {path}  (drops what does not match)",
        )
    return _data_dir(tables)


def write_data_dir(path: Path, data: DataDir) -> None:
    """Write the files sorted by id; ``wav.scp`` comes last, so it says that all are there."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "wav.scp").unlink(missing_ok=True)
    (path / "segments").unlink(missing_ok=True)  # perhaps of another corpus
    write_lines_atomic(
        path / "spk2utt", (f"{spk} {' '.join(ids)}" for spk, ids in data.speakers().items())
    )
    for name, table in reversed(data.tables().items()):
        write_lines_atomic(path / name, (f"{k} {v}".rstrip() for k, v in sorted(table.items())))


def fix_data_dir(path: Path) -> DataDir:
    """Keep the utterances that all files have, and write them sorted.

    Raises:
        DataError: nothing is left.
    """
    tables = _read_tables(path)
    bad = _bad_values(tables, open_audio=True)
    problems = [*_mismatches(tables), *bad]
    common = set.intersection(*(set(table) for table in _by_utterance(tables).values()))
    common -= {utt_id for ids in bad.values() for utt_id in ids}
    if not common:
        raise DataError(f"{path} has no utterance that all files know.", got="; ".join(problems))
    for problem in problems:
        logger.info("%s: %s: dropped", path, problem)
    data = _data_dir(tables).subset(common)
    write_data_dir(path, data)
    return data


def _data_dir(tables: Mapping[str, Mapping[str, str]]) -> DataDir:
    segments = parse_segments(tables.get("segments", {}))
    return DataDir(tables["wav.scp"], tables["text"], tables["utt2spk"], segments)


def _read_tables(path: Path) -> dict[str, dict[str, str]]:
    names = ["wav.scp", "text", "utt2spk"]
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise DataError(
            f"{path} is not a data directory: {', '.join(missing)} missing.",
            want=", ".join(names),
            fix="run stage 1 (local/data.sh)",
        )
    if (path / "segments").exists():
        names.append("segments")
    tables = {name: read_table(path / name) for name in names}
    key = _key_table(tables)
    if not tables[key]:
        raise DataError(
            f"{path} is an empty data directory.",
            got=f"no line in {key}",
            want="at least one utterance",
            fix="check the corpus path and run stage 1 again",
        )
    return tables


def _key_table(tables: Collection[str]) -> str:
    """The file that says which utterances there are."""
    return "segments" if "segments" in tables else "wav.scp"


def _by_utterance(tables: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """The tables whose keys are utterances; with segments, those of wav.scp are recordings."""
    key = _key_table(tables)
    return {name: tables[name] for name in (key, "text", "utt2spk")}


def _mismatches(tables: Mapping[str, Mapping[str, str]]) -> list[str]:
    named, key = _by_utterance(tables), _key_table(tables)
    pairs = [(a, b) for a in named for b in named if a != b and key in (a, b)]
    return [
        f"utterance id in {have} but not in {lack}: {some(extra)}"
        for have, lack in pairs
        if (extra := named[have].keys() - named[lack].keys())
    ]


def _bad_values(
    tables: Mapping[str, Mapping[str, str]], open_audio: bool = False
) -> dict[str, list[str]]:
    """Problem, with the ids in words -> the ids."""
    found = {
        "no audio file in wav.scp": [i for i, wav in tables["wav.scp"].items() if not wav],
        "a command instead of an audio file in wav.scp": [
            i for i, wav in tables["wav.scp"].items() if wav.endswith("|")
        ],
        "no speaker in utt2spk": [i for i, spk in tables["utt2spk"].items() if not spk],
        "'/' in an utterance id": [i for i in tables[_key_table(tables)] if "/" in i],
    }
    if "segments" in tables:
        files = {i: wav for i, wav in tables["wav.scp"].items() if wav and not wav.endswith("|")}
        found |= segment_problems(tables["segments"], files)
        if open_audio:
            late = beyond_end(parse_segments(tables["segments"]), files)
            found["a segment that ends after its recording"] = late
    return {f"{problem}: {some(ids)}": ids for problem, ids in found.items() if ids}


def main() -> None:
    parser = argparse.ArgumentParser(description="Check Kaldi data directories.")
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--fix", action="store_true", help="sort, and drop what does not match")
    args = parser.parse_args()
    for path in args.directories:
        data = fix_data_dir(path) if args.fix else read_data_dir(path, open_audio=True)
        logger.info("%s: %s", path, data.size)


if __name__ == "__main__":
    run_command(main)
