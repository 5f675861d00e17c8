"""What ESPnet's reporter noted of a training, epoch by epoch: from its checkpoint, else its log.

``checkpoint.pth`` holds a whole training, gigabytes of it weights. Only its pickle is read, without
torch, and no class in it is made: numbers and durations come out, all else as an empty shell.
"""

from __future__ import annotations

import logging
import math
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from espnet_ee.errors import DataError
from espnet_ee.scoring import FloatArray

logger = logging.getLogger(__name__)

CHECKPOINT, LOG = "checkpoint.pth", "train.log"
PHASES = ("train", "valid")
_EXIT = re.compile(r"loss_exit(\d+)")
_RESULTS = re.compile(r"\b(\d+)epoch results: (.*)")
_PART = re.compile(r"\[(\w+)\] ([^\[]*)")
_NUMBER = re.compile(r"(\w+)=([^\s,]+)(?=,|\s*$)")  # not durations, which go on with a word

# {epoch: {phase: {name: value}}}, as ESPnet's reporter keeps it.
Stats = Mapping[int, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class TrainingHistory:
    """The statistics of a training, ``N`` epochs.

    Attributes:
        source: The file they were read from.
        epochs: ``(N,)`` rising, from 1.
        values: Phase and name, e.g. ``("valid", "cer_exit06")``, to ``(N,)``; NaN where unknown.
    """

    source: Path
    epochs: NDArray[np.int64]
    values: Mapping[tuple[str, str], FloatArray]

    @property
    def layers(self) -> tuple[int, ...]:
        """Exits that were trained, by their layers."""
        found = {match[1] for _, name in self.values if (match := _EXIT.fullmatch(name))}
        return tuple(sorted(map(int, found)))

    def of_exit(self, phase: str, quantity: str, layer: int) -> FloatArray:
        """``(N,)`` of one exit, e.g. its ``loss`` or ``cer``; NaN where unknown."""
        unknown: FloatArray = np.full(len(self.epochs), np.nan)
        return self.values.get((phase, f"{quantity}_exit{layer:02d}"), unknown)


def find_history(exp: Path) -> TrainingHistory | None:
    """The history of an experiment; None where no training left one.

    A damaged checkpoint is told in the log, and what the training's own log has is taken.

    Raises:
        DataError: Neither can be read.
    """
    checkpoint, log = exp / CHECKPOINT, exp / LOG
    damage = None
    if checkpoint.is_file():
        try:
            return _history(checkpoint, _read_checkpoint(checkpoint))
        except DataError as error:
            damage = error
    if log.is_file() and (stats := _read_log(log)):
        if damage:
            logger.warning("%s; its curves are from %s", damage.what, log)
        return _history(log, stats)
    if damage:
        raise damage
    return None


def _history(source: Path, stats: Stats) -> TrainingHistory:
    epochs = sorted(stats)
    names = dict.fromkeys(
        (phase, name)
        for epoch in epochs
        for phase in PHASES
        for name, value in stats[epoch].get(phase, {}).items()
        if _is_number(value)
    )
    values = {
        (phase, name): np.array(
            [float(_or_nan(stats[epoch].get(phase, {}).get(name))) for epoch in epochs]
        )
        for phase, name in names
    }
    return TrainingHistory(source, np.array(epochs, dtype=np.int64), values)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)


def _or_nan(value: Any) -> Any:
    return value if _is_number(value) else math.nan


def _read_log(path: Path) -> Stats:
    """The lines at the ends of epochs; a resumed training says an epoch again, and the last counts.

    Numbers have three digits there.
    """
    found: dict[int, dict[str, dict[str, float]]] = {}
    text = path.read_text(encoding="utf-8", errors="replace")
    for epoch, message in _RESULTS.findall(text):
        found[int(epoch)] = {
            phase: dict(_numbers(numbers)) for phase, numbers in _PART.findall(message)
        }
    return found


def _numbers(text: str) -> Iterable[tuple[str, float]]:
    for name, value in _NUMBER.findall(text):
        try:
            yield name, float(value)
        except ValueError:
            continue


class _Shell:
    """In place of every object that is no number: takes anything, does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> _Shell:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def append(self, _: Any) -> None:
        """As a list's."""

    def extend(self, _: Any) -> None:
        """As a list's."""


def _encode(text: str, encoding: str) -> bytes:
    return text.encode("latin1" if encoding in ("latin1", "latin-1") else "utf-8")


class _Reader(pickle.Unpickler):
    """Makes numbers, durations and containers; nothing in the file can choose another class."""

    def find_class(self, module: str, name: str) -> Any:
        """One of a few harmless makers, else the shell."""
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("datetime", "timedelta"): timedelta,
            ("_codecs", "encode"): _encode,
            ("numpy", "dtype"): np.dtype,
            ("numpy._core.multiarray", "scalar"): _scalar,
            ("numpy.core.multiarray", "scalar"): _scalar,
        }
        return known.get((module, name), _Shell)

    def persistent_load(self, pid: Any) -> None:
        """Tensors stay in the file."""


def _scalar(kind: np.dtype[Any], content: bytes) -> Any:
    """A numpy number from its bytes."""
    return np.frombuffer(content, kind, count=1)[0]


def _read_checkpoint(path: Path) -> Stats:
    """The reporter's numbers.

    Raises:
        DataError: The file is damaged, or not what ESPnet's trainer writes.
    """
    try:
        with zipfile.ZipFile(path) as file:
            [name] = [name for name in file.namelist() if name.endswith("/data.pkl")]
            with file.open(name) as stream:
                states = _Reader(stream).load()
        stats: Stats = states["reporter"]["stats"]
        _ = [dict(parts) for parts in stats.values()], [int(epoch) for epoch in stats]
    except Exception as error:  # damaged pickles raise nearly anything
        raise DataError(
            f"{path} is not the state of a training, or is damaged.",
            got=f"{type(error).__name__}: {error}"[:120],
            want="the checkpoint.pth that ESPnet's trainer writes after each epoch",
        ) from error
    return stats
