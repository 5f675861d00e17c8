"""The fields of the run record's JSON lines and what each may hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from espnet_ee.errors import DataError

FORMAT = "espnet-ee-record"
VERSION = 1


class Kind(NamedTuple):
    """What a field may hold, in words and as a test."""

    words: str
    accepts: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _all(test: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(test, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_map(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_score_map(value: Any) -> bool:
    return isinstance(value, dict) and all(v is None or _is_number(v) for v in value.values())


_NAME = Kind("a string without spaces", lambda v: _is_text(v) and v.split() == [v])
_TEXT = Kind("a string", _is_text)
_TEXT_OR_NULL = Kind("a string or null", lambda v: v is None or _is_text(v))
_COUNT = Kind("a whole number, 0 or more", _is_count)
_INTEGERS = Kind("a list of whole numbers", _all(lambda v: type(v) is int))
_COSTS = Kind("a list of finite numbers, 0 or more", _all(lambda v: _is_number(v) and v >= 0))
_TEXT_MAP = Kind("an object of strings", _is_text_map)

HEADER = {
    "format": Kind(f'"{FORMAT}"', lambda v: v == FORMAT),
    "version": Kind(str(VERSION), lambda v: v == VERSION),
    "set": _NAME,
    "exits": _INTEGERS,
    "num_layers": _COUNT,
    "policies": Kind("an object", lambda v: isinstance(v, dict)),
    "config": _TEXT,
    "checkpoint": _TEXT_MAP,
    "versions": _TEXT_MAP,
    "seed": _COUNT,
    "threads": _COUNT,
    "num_parameters": _COUNT,
    "vocab_size": _COUNT,
    "floor_gflops_per_second": Kind(
        "a number or null", lambda v: v is None or (_is_number(v) and v >= 0)
    ),
    "decoding": _TEXT,
}
CHECKPOINT = {"path": _TEXT, "sha256": _TEXT}
POLICY = {
    "unit": _TEXT,
    "score_flops_per_posterior": _COUNT,
    "reads_posteriors": Kind("true or false", lambda v: isinstance(v, bool)),
    "score_flops_per_frame": _COUNT,
}
UTTERANCE = {
    "id": _NAME,
    "speaker": _TEXT_OR_NULL,
    "ref": _TEXT_OR_NULL,
    "seconds": Kind("a number above 0", lambda v: _is_number(v) and v > 0),
    "frames": _COUNT,
    "body_gflops": _COSTS,
    "head_gflops": _COSTS,
    "text_gflops": _COSTS,
    "exits": Kind("a list of objects", lambda v: isinstance(v, list)),
}
EXIT = {
    "text": _TEXT,
    "tokens": _INTEGERS,
    "scores": Kind("an object of finite numbers or null", _is_score_map),
}


def checked(value: Any, kinds: Mapping[str, Kind], where: str) -> dict[str, Any]:
    """Return ``value`` if it is an object with exactly these fields of these kinds."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: not a JSON object.", got=repr(value)[:80])
    problems = [f"{key} is missing" for key in kinds if key not in value]
    problems += [f"{key} is unknown" for key in value if key not in kinds]
    problems += [
        f"{key}={value[key]!r:.60} is not {kind.words}"
        for key, kind in kinds.items()
        if key in value and not kind.accepts(value[key])
    ]
    if problems:
        raise DataError(f"{where}: wrong fields.", got="; ".join(problems), want=", ".join(kinds))
    return value
