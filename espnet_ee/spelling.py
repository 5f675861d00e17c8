"""Hints for misspelt names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like ``word``, or None if none is."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint like `` (did you mean --policy?)`` for a misspelt word, or nothing."""
    match = closest(word, known)
    return f" (did you mean {match}?)" if match else ""
