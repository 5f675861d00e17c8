"""How far a long run is: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
LOG_EVERY_SEC = 60.0

logger = logging.getLogger(__name__)


def with_progress(batches: Iterable[list[T]], total: int, what: str) -> Iterator[list[T]]:
    """Pass batches through and tell on stderr how many of ``total`` items have gone by.

    Args:
        batches: Lists of items.
        total: Items in all batches together.
        what: Plural noun of an item.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm(total=total, unit=what, file=sys.stderr) as bar:
            for batch in batches:
                yield batch
                bar.update(len(batch))
        return
    done, told = 0, time.monotonic()
    for batch in batches:
        yield batch
        done += len(batch)
        if time.monotonic() - told >= LOG_EVERY_SEC:
            told = time.monotonic()
            logger.info("%d of %d %s", done, total, what)
