"""Torch files that hold objects of packages we do not have, read without running any of their code.

Fairseq saves its configuration (argparse, omegaconf) and dictionaries beside the weights. Torch's
restricted unpickler stays in charge; each class it does not know is replaced by an inert shell.
"""

from __future__ import annotations

import pickle
import re
import struct
from pathlib import Path
from typing import Any

import torch

from espnet_ee.errors import CheckpointError

# What torch raises on bytes that are no pickle, or no longer one.
UNREADABLE = (
    RuntimeError,
    EOFError,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    struct.error,
)
MOST_CLASSES = 200  # foreign classes in one file before we call it something else than a checkpoint


class Shell:
    """Stands for an object of a class that is not there: keeps its state, does nothing."""

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __new__(cls, *args: Any) -> Shell:
        """Also called alone, by pickles that restore state without ``__init__``."""
        shell = super().__new__(cls)
        shell.args, shell.state = args, {}
        return shell

    def __setstate__(self, state: Any) -> None:
        """Whatever the object would have restored."""
        self.state = state

    args: tuple[Any, ...]
    state: Any


def _empty_dict(*_: Any) -> dict[Any, Any]:
    """Stands for ``defaultdict``, which the restricted unpickler fills item by item."""
    return {}


def plain(value: Any) -> Any:
    """Shells, argparse namespaces and omegaconf nodes as dictionaries, lists and scalars."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if not isinstance(value, Shell):
        return value
    state = value.state
    if isinstance(state, dict) and state:
        for content in ("_content", "_val"):  # omegaconf's containers and leaves
            if content in state:
                return plain(state[content])
        return plain(state)
    return plain(value.args[0]) if len(value.args) == 1 else None  # an enumeration's value


def read_torch(path: Path) -> Any:
    """What a torch file holds, tensors on the CPU, foreign objects as shells.

    Raises:
        CheckpointError: Missing, truncated, or not a torch file.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist.")
    shells: list[Any] = []
    while len(shells) < MOST_CLASSES:
        try:
            with torch.serialization.safe_globals(shells):
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            name = _foreign_class(error)
            if name is None:
                raise CheckpointError(
                    f"checkpoint {path} is not a torch file, or holds more than weights.",
                    got=str(error).splitlines()[0][:120],
                    want="a file written by torch.save",
                    fix="load it where it was written and save its state dictionary alone",
                ) from error
            shells.append((_empty_dict if name == "collections.defaultdict" else Shell, name))
        except UNREADABLE as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise CheckpointError(
                f"checkpoint {path} cannot be read; it is damaged or was not written to the end.",
                got=f"{path.stat().st_size} bytes; {reason[:120]}",
                fix="download or copy it again",
            ) from error
    raise CheckpointError(f"checkpoint {path} holds objects of more than {MOST_CLASSES} classes.")


def _foreign_class(error: pickle.UnpicklingError) -> str | None:
    """The full name of the class that stopped the restricted unpickler, if that is what did."""
    match = re.search(r"GLOBAL (\S+) was not an allowed global", str(error))
    if match is None:
        return None
    name = match.group(1)
    return name if "." in name else f"builtins.{name}"  # torch shortens builtins
