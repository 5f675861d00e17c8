"""Errors that a user can act on: what happened, what we got, what we want, how to fix it."""

from __future__ import annotations


class EspnetEEError(Exception):
    """One clear message with up to four parts.

    Args:
        what: One sentence naming the problem and the place.
        got: The offending value, shortened if long.
        want: The values that are allowed.
        fix: What to type or change.
    """

    def __init__(self, what: str, *, got: str = "", want: str = "", fix: str = "") -> None:
        self.what = what
        parts = [what]
        for label, text in (("got", got), ("want", want), ("fix", fix)):
            if text:
                parts.append(f"  {label + ':':<6}{text}")
        super().__init__("\n".join(parts))


class ConfigError(EspnetEEError):
    """An option or configuration value is wrong."""


class CheckpointError(EspnetEEError):
    """A model file is missing, damaged or of another model."""


class DataError(EspnetEEError):
    """An audio file, a data directory, a record or a text is wrong."""
