"""The run record: text, scores and cost of every exit, one JSON line per utterance.

A record is the contract between decoding and analysis: ``record.jsonl.gz`` holds a
header line and one line per utterance, so any policy and threshold can be replayed
without the model. Reading is strict: a damaged line is an error with file and line.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from espnet_ee.errors import DataError
from espnet_ee.record_format import (
    ExitHypothesis,
    Record,
    RecordedPolicy,
    RecordHeader,
    UtteranceRecord,
    header_to_json,
    parse_header,
    parse_utterance,
    utterance_to_json,
)

__all__ = [
    "RECORD_NAME",
    "ExitHypothesis",
    "Record",
    "RecordHeader",
    "RecordWriter",
    "RecordedPolicy",
    "UtteranceRecord",
    "merge_records",
    "read_record",
]

RECORD_NAME = "record.jsonl.gz"


class RecordWriter:
    """Write a record; the file appears under its name only after a clean close.

    Use as a context manager. An exception, also of a full disk, leaves no file.

    Raises:
        DataError: A header or an utterance that reading would refuse.
    """

    def __init__(self, path: str | Path, header: RecordHeader) -> None:
        self._path = Path(path)
        self._temporary = self._path.with_name(self._path.name + ".tmp")
        self._header = header
        self._ids: set[str] = set()

    def __enter__(self) -> RecordWriter:
        line = header_to_json(self._header)
        parse_header(line, f"{self._path}: header")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._raw = self._temporary.open("wb")
        # No name and no time in the gzip header: equal records are equal bytes.
        self._file = gzip.GzipFile("", "wb", compresslevel=6, fileobj=self._raw, mtime=0)
        self._put(line)
        return self

    def write(self, utterance: UtteranceRecord) -> None:
        """Append one utterance.

        Raises:
            DataError: Wrong number of exits, unknown scores, a repeated id, ...
        """
        line = utterance_to_json(utterance)
        where = f"{self._path}: utterance {utterance.utt_id}"
        _add_id(parse_utterance(line, self._header, where), self._ids, where)
        self._put(line)

    def _put(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self._file.write(text.encode("utf-8") + b"\n")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
            self._raw.close()
            if kind is None:
                os.replace(self._temporary, self._path)
        finally:
            self._raw.close()
            self._temporary.unlink(missing_ok=True)


def read_record(path: str | Path) -> Record:
    """Read and check a whole record.

    Raises:
        DataError: The file is missing, damaged, of another version, or inconsistent;
            the message names the file and the line.
    """
    lines = _json_lines(Path(path))
    where, first = next(lines, (f"{path}:1", None))
    if first is None:
        raise DataError(f"{where}: the record is empty.", want="a header line")
    header = parse_header(first, where)
    ids: set[str] = set()
    utterances = []
    for where, line in lines:
        utterance = parse_utterance(line, header, where)
        _add_id(utterance, ids, where)
        utterances.append(utterance)
    return Record(header, tuple(utterances))


def merge_records(paths: Sequence[str | Path], out: str | Path) -> int:
    """Join the records of parallel jobs, in the given order; returns the utterances.

    Headers must agree in all but ``threads``, of which the largest is kept.

    Raises:
        DataError: No input, different headers, or one id in two inputs.
    """
    if not paths:
        raise DataError("No record to merge.", want=f"one or more {RECORD_NAME}")
    records = [read_record(path) for path in paths]
    first = records[0].header
    for path, record in zip(paths, records, strict=True):
        _same_header(first, record.header, str(paths[0]), str(path))
    header = replace(first, threads=max(record.header.threads for record in records))
    with RecordWriter(out, header) as writer:
        for path, record in zip(paths, records, strict=True):
            for utterance in record.utterances:
                try:
                    writer.write(utterance)
                except DataError as error:
                    raise DataError(f"Cannot merge {path}: {error}") from error
    return sum(len(record.utterances) for record in records)


def _same_header(one: RecordHeader, two: RecordHeader, path_one: str, path_two: str) -> None:
    different = [
        field.name
        for field in fields(RecordHeader)
        if field.name != "threads" and getattr(one, field.name) != getattr(two, field.name)
    ]
    if different:
        raise DataError(
            f"{path_two}: not of the same run as {path_one}.",
            got="; ".join(f"{n}: {getattr(one, n)!r} and {getattr(two, n)!r}" for n in different),
            want="records whose headers differ in nothing but threads",
        )


def _json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield (``file:line``, parsed JSON), turning every way to be damaged into DataError."""
    number = 0
    try:
        with gzip.open(path, "rb") as raw:
            for number, line in enumerate(io.TextIOWrapper(raw, encoding="utf-8"), start=1):
                yield f"{path}:{number}", json.loads(line, parse_constant=_no_constant)
    except FileNotFoundError as error:
        raise DataError(f"There is no record {path}.", fix="run inference first") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}:{number + 1}: cannot read on: the file is damaged or not gzip.",
            got=str(error),
            want="gzip JSON lines, closed properly",
            fix="run that inference job again",
        ) from error
    except ValueError as error:
        raise DataError(f"{path}:{number}: not a JSON line.", got=str(error)) from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON; an unknown score is null")


def _add_id(utterance: UtteranceRecord, ids: set[str], where: str) -> None:
    if utterance.utt_id in ids:
        raise DataError(f"{where}: id {utterance.utt_id} appears twice.", want="unique ids")
    ids.add(utterance.utt_id)
