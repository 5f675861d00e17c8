"""What was measured of a model on one machine: time and parameters up to each exit.

A file of results, for tables and reports. Deadlines are held by the fits of ``espnet_ee.latency``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from espnet_ee.data.files import write_lines_atomic
from espnet_ee.errors import DataError
from espnet_ee.latency import Setting
from espnet_ee.record_format import GREEDY, RecordHeader
from espnet_ee.scoring import FloatArray

MEASURED_NAME = "latency.json"  # in an experiment
RANDOM_WEIGHTS = "random weights"  # in place of a checksum: measured before training
_FORMAT = {"format": "espnet-ee-measured-latency", "version": 1}
_FIX = f"espnet-ee cost EXP --measure --save EXP/{MEASURED_NAME}"
_INTEGERS = ("layers", "parameters")
_NUMBERS = ("p50_ms", "p95_ms", "rtf")


@dataclass(frozen=True)
class MeasuredLatency:
    """Measured computing time of single utterances, from the waveform to the text of each exit.

    Attributes:
        setting: Where and with what it was measured.
        date: When, ISO 8601.
        source: What was recognised, e.g. ``noise of 5 s`` or the name of a list of audio files.
        layers: ``E`` blocks with an exit.
        parameters: ``E`` numbers of parameters that an exit needs: everything below it and its
            own head.
        utterances: Number of timed utterances; each went to every exit.
        audio_sec: Of all of them together.
        p50_ms: ``E`` medians over the utterances.
        p95_ms: ``E`` times that 95 % of the utterances kept.
        rtf: ``E`` real-time factors: all computing over all audio.
    """

    setting: Setting
    date: str
    source: str
    layers: tuple[int, ...]
    parameters: tuple[int, ...]
    utterances: int
    audio_sec: float
    p50_ms: tuple[float, ...]
    p95_ms: tuple[float, ...]
    rtf: tuple[float, ...]

    @property
    def random_weights(self) -> bool:
        """Whether no trained model was measured."""
        return self.setting.checkpoint_sha256 == RANDOM_WEIGHTS

    @classmethod
    def of_times(
        cls,
        setting: Setting,
        source: str,
        exits: Sequence[tuple[int, int]],
        audio_sec: FloatArray,
        times_sec: FloatArray,
    ) -> MeasuredLatency:
        """Sum up ``U`` utterances.

        Args:
            setting: Where and with what they were measured, now.
            source: What they were.
            exits: Layer and parameters of each of ``E``.
            audio_sec: ``(U,)`` lengths.
            times_sec: ``(U, E)`` seconds of computing.
        """
        half, most = 1000.0 * np.quantile(times_sec, (0.5, 0.95), axis=0)
        return cls(
            setting=setting,
            date=datetime.now().astimezone().isoformat(timespec="seconds"),
            source=source,
            layers=tuple(layer for layer, _ in exits),
            parameters=tuple(parameters for _, parameters in exits),
            utterances=len(audio_sec),
            audio_sec=float(audio_sec.sum()),
            p50_ms=tuple(half.tolist()),
            p95_ms=tuple(most.tolist()),
            rtf=tuple((times_sec.sum(axis=0) / audio_sec.sum()).tolist()),
        )

    def is_of(self, header: RecordHeader) -> bool:
        """Whether a set was decoded as was timed: this checkpoint, its exits, greedy CTC."""
        same = (self.setting.checkpoint_sha256, self.layers)
        return same == (header.checkpoint_sha256, header.exits) and header.decoding == GREEDY

    def save(self, path: str | Path) -> None:
        """Write JSON, whole or not at all."""
        text = json.dumps({**_FORMAT, **asdict(self)}, indent=1)
        write_lines_atomic(Path(path), text.splitlines())

    @classmethod
    def load(cls, path: str | Path) -> MeasuredLatency:
        """Read what ``save`` wrote.

        Raises:
            DataError: The file is missing, damaged or something else.
        """
        path = Path(path)
        values = _read(path)
        if {key: values.pop(key, None) for key in _FORMAT} != _FORMAT:
            raise DataError(
                f"{path} is no measured latency of this version.",
                got=json.dumps(values)[:80],
                want=", ".join(f'"{key}": {json.dumps(value)}' for key, value in _FORMAT.items()),
                fix=_FIX,
            )
        try:
            return cls(**_typed(values))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path} holds a damaged measured latency.", got=str(error), fix=_FIX
            ) from error


def _read(path: Path) -> dict[str, Any]:
    """The JSON object of a file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"there is no measured latency {path}.", fix=_FIX) from error
    except (OSError, ValueError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise DataError(f"{path} cannot be read.", got=str(error), want="JSON", fix=_FIX) from error
    if not isinstance(values, dict):
        raise DataError(
            f"{path} is no measured latency.",
            got=type(values).__name__,
            want="a JSON object",
            fix=_FIX,
        )
    return values


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists to tuples; ValueError or TypeError where they cannot be measured."""
    _check_keys(values, {field.name for field in fields(MeasuredLatency)})
    _check_keys(values["setting"], {field.name for field in fields(Setting)})
    lists: dict[str, tuple[float, ...]] = {
        name: tuple(map(_whole, values[name])) for name in _INTEGERS
    }
    lists |= {name: tuple(map(_positive, values[name])) for name in _NUMBERS}
    layers = lists["layers"]
    if not layers or any(lower >= upper for lower, upper in pairwise(layers)):
        raise ValueError(f"layers do not increase: {values['layers']}")
    uneven = [f"{name}: {len(row)}" for name, row in lists.items() if len(row) != len(layers)]
    if uneven:
        raise ValueError(f"{', '.join(uneven)} values for {len(layers)} exits")
    if any(half > most for half, most in zip(lists["p50_ms"], lists["p95_ms"], strict=True)):
        raise ValueError("p50_ms above p95_ms")
    return {
        **lists,
        "setting": _setting_of(values["setting"]),
        "date": _text(values["date"]),
        "source": _text(values["source"]),
        "utterances": _whole(values["utterances"]),
        "audio_sec": _positive(values["audio_sec"]),
    }


def _setting_of(values: Mapping[str, Any]) -> Setting:
    sha256, device, cpu = (_text(values[name]) for name in ("checkpoint_sha256", "device", "cpu"))
    return Setting(sha256, device, cpu, _whole(values["threads"]))


def _check_keys(values: Any, wanted: set[str]) -> None:
    if not isinstance(values, dict):
        raise TypeError(f"{values!r:.60} where an object is wanted")
    missing, unknown = sorted(wanted - values.keys()), sorted(values.keys() - wanted)
    if missing or unknown:
        parts = (("no", missing), ("unknown", unknown))
        raise ValueError("; ".join(f"{word} {', '.join(names)}" for word, names in parts if names))


def _whole(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r:.60} is no whole number above 0")
    return value


def _positive(value: Any) -> float:
    if type(value) not in (int, float) or not 0.0 < value < math.inf:
        raise ValueError(f"{value!r:.60} is no positive number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is no text")
    return value
