"""What an interrupted decoding had done, kept batch by batch, so that the next one goes on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from espnet_ee.decoding.hypothesis import Candidate
from espnet_ee.errors import DataError
from espnet_ee.record_format import (
    RecordHeader,
    UtteranceRecord,
    header_to_json,
    parse_utterance,
    utterance_to_json,
)

logger = logging.getLogger(__name__)

UNFINISHED = "unfinished.jsonl"


class DecodedUtterance(NamedTuple):
    """One utterance's line of the record, and what the record does not hold.

    Attributes:
        log_probs: Of each exit's text.
        nbest: Each exit's N-best list, best first; empty for greedy CTC.
    """

    record: UtteranceRecord
    log_probs: tuple[float, ...]
    nbest: tuple[tuple[Candidate, ...], ...]


class Unfinished:
    """Results so far; the file goes when the decoding ends well, and stays when it is cut short.

    Args:
        path: The file.
        header: Of the record: model, policies, versions, threads.
        inputs: Whatever else results depend on, e.g. audio paths and references.

    Attributes:
        done: Utterance id to result; of an earlier decoding only if all of the above is the same.
    """

    def __init__(self, path: Path, header: RecordHeader, inputs: Any) -> None:
        self._path, self._header = path, header
        digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
        self._facts = json.dumps([header_to_json(header), digest], sort_keys=True)
        self.done: dict[str, DecodedUtterance] = {}

    def __enter__(self) -> Unfinished:
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        same = bool(lines) and lines[0] == self._facts
        if same:
            self._read(lines[1:])
            logger.info("%d utterances were decoded before", len(self.done))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a" if same else "w", encoding="utf-8")
        self._file.write("\n" if same else f"{self._facts}\n")  # ends a line cut short
        return self

    def add(self, results: Mapping[str, DecodedUtterance]) -> None:
        """Keep a batch."""
        self.done.update(results)
        for result in results.values():
            nbest = [[(one.tokens, one.log_prob) for one in exit] for exit in result.nbest]
            line = [utterance_to_json(result.record), result.log_probs, nbest]
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()

    def _read(self, lines: Iterable[str]) -> None:
        for number, line in enumerate(lines, start=2):
            try:
                record, log_probs, nbest = json.loads(line)
                known = parse_utterance(record, self._header, f"{self._path}:{number}")
            except (ValueError, DataError):
                continue  # cut short: that utterance is decoded again
            kept = tuple(
                tuple(Candidate(tuple(tokens), value) for tokens, value in exit) for exit in nbest
            )
            self.done[known.utt_id] = DecodedUtterance(known, tuple(log_probs), kept)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        if kind is None or not self.done:
            self._path.unlink(missing_ok=True)
