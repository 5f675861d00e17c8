"""Kaldi data directories: ``wav.scp``, ``text``, ``utt2spk``, ``spk2utt``.

``python -m espnet_ee.data.kaldi data/train data/dev`` checks directories; with ``--fix`` it sorts
them and drops what does not match.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from espnet_ee.data.command import run_command
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataDir:
    """The utterances of one set; the three tables have the same ids.

    Attributes:
        wav_scp: utterance id -> audio file.
        text: utterance id -> transcript, possibly empty.
        utt2spk: utterance id -> speaker.
    """

    wav_scp: Mapping[str, str]
    text: Mapping[str, str]
    utt2spk: Mapping[str, str]

    def subset(self, ids: Collection[str]) -> DataDir:
        """The same set with the utterances of ``ids`` only."""
        return DataDir(*({i: t[i] for i in t if i in ids} for t in self.tables().values()))

    def tables(self) -> dict[str, Mapping[str, str]]:
        """File name -> table, in the order in which they are written: wav.scp last."""
        return {"wav.scp": self.wav_scp, "text": self.text, "utt2spk": self.utt2spk}

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


def read_data_dir(path: Path) -> DataDir:
    """Read a data directory and check that its files agree.

    Raises:
        DataError: with every problem found.
    """
    tables = _read_tables(path)
    problems = [*_mismatches(tables), *_bad_values(tables)]
    if problems:
        raise DataError(
            f"{path} is not a sound data directory: {problems[0]}",
            got="; ".join(problems[1:]),
            want="the same utterance ids in wav.scp, text and utt2spk",
            fix=f"python -m espnet_ee.data.kaldi --fix {path}  (drops what does not match)",
        )
    return DataDir(tables["wav.scp"], tables["text"], tables["utt2spk"])


def write_data_dir(path: Path, data: DataDir) -> None:
    """Write the four files sorted by id; ``wav.scp`` comes last, so it says that all are there."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "wav.scp").unlink(missing_ok=True)
    write_lines_atomic(
        path / "spk2utt", (f"{spk} {' '.join(ids)}" for spk, ids in data.speakers().items())
    )
    for name, table in reversed(data.tables().items()):
        write_lines_atomic(path / name, (f"{k} {v}".rstrip() for k, v in sorted(table.items())))


def fix_data_dir(path: Path) -> DataDir:
    """Keep the utterances that all three files have, and write them sorted.

    Raises:
        DataError: nothing is left.
    """
    tables = _read_tables(path)
    bad = _bad_values(tables)
    problems = [*_mismatches(tables), *bad]
    common = set.intersection(*(set(table) for table in tables.values()))
    common -= {utt_id for ids in bad.values() for utt_id in ids}
    data = DataDir(tables["wav.scp"], tables["text"], tables["utt2spk"]).subset(common)
    if not common:
        raise DataError(f"{path} has no utterance that all files know.", got="; ".join(problems))
    for problem in problems:
        logger.info("%s: %s: dropped", path, problem)
    write_data_dir(path, data)
    return data


def _read_tables(path: Path) -> dict[str, dict[str, str]]:
    if (path / "segments").exists():
        raise DataError(
            f"{path}/segments: recordings with several utterances are not supported.",
            want="one audio file per utterance",
            fix="cut the recordings in local/data.sh and remove the file segments",
        )
    names = ("wav.scp", "text", "utt2spk")
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        raise DataError(
            f"{path} is not a data directory: {', '.join(missing)} missing.",
            want=", ".join(names),
            fix="run stage 1 (local/data.sh)",
        )
    tables = {name: read_table(path / name) for name in names}
    if not tables["wav.scp"]:
        raise DataError(
            f"{path} is an empty data directory.",
            got="no line in wav.scp",
            want="at least one utterance",
            fix="check the corpus path and run stage 1 again",
        )
    return tables


def _mismatches(tables: Mapping[str, Mapping[str, str]]) -> list[str]:
    names = list(tables)
    pairs = [(a, b) for a in names for b in names if a != b and "wav.scp" in (a, b)]
    return [
        f"utterance id in {have} but not in {lack}: {some(extra)}"
        for have, lack in pairs
        if (extra := tables[have].keys() - tables[lack].keys())
    ]


def _bad_values(tables: Mapping[str, Mapping[str, str]]) -> dict[str, list[str]]:
    """Problem, with the ids in words -> the ids."""
    found = {
        "no audio file in wav.scp": [i for i, wav in tables["wav.scp"].items() if not wav],
        "a command instead of an audio file in wav.scp": [
            i for i, wav in tables["wav.scp"].items() if wav.endswith("|")
        ],
        "no speaker in utt2spk": [i for i, spk in tables["utt2spk"].items() if not spk],
        "'/' in an utterance id": [i for i in tables["wav.scp"] if "/" in i],
    }
    return {f"{problem}: {some(ids)}": ids for problem, ids in found.items() if ids}


def main() -> None:
    parser = argparse.ArgumentParser(description="Check Kaldi data directories.")
    parser.add_argument("directories", nargs="+", type=Path)
    parser.add_argument("--fix", action="store_true", help="sort, and drop what does not match")
    args = parser.parse_args()
    for path in args.directories:
        data = fix_data_dir(path) if args.fix else read_data_dir(path)
        logger.info("%s: %d utterances of %d speakers", path, len(data.text), len(data.speakers()))


if __name__ == "__main__":
    run_command(main)
