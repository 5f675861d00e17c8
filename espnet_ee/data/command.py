"""What the commands ``python -m espnet_ee.data.MODULE`` share: log, one clear error, numbers."""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
from collections.abc import Callable

from espnet_ee.data.audio import parse_rate
from espnet_ee.errors import EspnetEEError


def run_command(main: Callable[[], None]) -> None:
    """Run ``main``; exit with code 1 after an error that the user can act on."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        main()
    except EspnetEEError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        os._exit(130)  # the worker processes got the same signal; do not wait for their traces


def count(text: str) -> int:
    """A whole number of at least 1, as type of an argument."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"want a whole number of at least 1, got '{text}'")
    return int(text)


def seconds(text: str) -> float:
    """A duration, as type of an argument."""
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"want seconds, 0 or more, got '{text}'")
    return value


def share(text: str) -> float:
    """A fraction above 0 and up to 1, as type of an argument."""
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"want more than 0 and at most 1, got '{text}'")
    return value


def rate(text: str) -> int:
    """A sampling rate in Hz, ``16000`` or ``16k``, as type of an argument."""
    if not 1 <= _number(text.removesuffix("k")) < math.inf:
        raise argparse.ArgumentTypeError(f"want Hz, e.g. 16000 or 16k, got '{text}'")
    return parse_rate(text)


def _number(text: str) -> float:
    """The number, or one that is in no range."""
    try:
        return float(text)
    except ValueError:
        return math.nan
