"""How the keys of a checkpoint differ from those of a model, in words."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN_KEYS = 6


def key_differences(missing: Sequence[str], extra: Sequence[str], shapes: Sequence[str]) -> str:
    """A line per kind of difference, with its number and first keys; nothing where all agree."""
    titled = (("missing", missing), ("unexpected", extra), ("of another shape", shapes))
    parts = [f"{len(lines)} {title}: {_first(lines)}" for title, lines in titled if lines]
    return "\n        ".join(parts)


def _first(lines: Sequence[str]) -> str:
    return "; ".join(lines[:SHOWN_KEYS]) + ("; ..." if len(lines) > SHOWN_KEYS else "")
