"""Done markers: a recipe stage is skipped if inputs, options and outputs are as it left them.

``check`` compares; if the stage must run, it removes the marker and leaves ``MARKER.started``,
which the recipe renames to ``MARKER`` when the stage has ended well. So an interrupted stage never
looks done. A training, which goes on from its checkpoint, may not go on as another (``--resumes``).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from espnet_ee.data.command import run_command
from espnet_ee.data.files import write_bytes_atomic
from espnet_ee.data.kaldi import read_table
from espnet_ee.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

MUST_RUN = 3  # exit code; 0 says done, 1 is an error
Facts = dict[str, str]
MAX_EPOCH = "max_epoch in the configuration"
ESPNET_MAX_EPOCH = 40  # without that line; AbsTask.get_parser


def fingerprint(path: Path, kind: str) -> str:
    """A text that changes with the file.

    Args:
        path: an input of a stage.
        kind: ``input`` looks at the content, ``stat`` at size and time (for large files),
            ``audio`` at the content of a wav.scp and at size and time of every file it names.

    Raises:
        DataError: the file is missing.
    """
    if not path.exists():
        raise DataError(
            f"The stage needs {path}, which is missing.", fix="run the stages before it first"
        )
    if kind == "stat":
        return _stat(str(path))
    digest = hashlib.sha256(path.read_bytes())
    if kind == "audio":
        for name in read_table(path).values():
            digest.update(_stat(name).encode())
    return digest.hexdigest()[:16]


def config_facts(pairs: Sequence[str]) -> Facts:
    """The keys of a YAML file that begin with a prefix; ``pairs`` are ``FILE:PREFIX,...``.

    Raises:
        DataError: the file is missing.
        ConfigError: it is not YAML of keys and values.
    """
    facts: Facts = {}
    for pair in pairs:
        path, _, prefixes = pair.rpartition(":")
        config = _read_config(Path(path))
        chosen = [key for key in config if key.startswith(tuple(prefixes.split(",")))]
        facts |= {f"{key} in the configuration": _as_json(config[key]) for key in chosen}
    return facts


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What differs, in words."""
    return [
        f"{name} changed"
        + (f" from '{before.get(name, '')}' to '{now.get(name, '')}'" if name[0] in "-$" else "")
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def reasons_to_run(
    marker: Path, facts: Mapping[str, str], outputs: Sequence[Path], force: bool
) -> list[str]:
    """Why the stage cannot be skipped; empty if it can."""
    if not marker.exists():
        return ["interrupted before"] if _started(marker).exists() else ["not run before"]
    missing = [f"{path} is missing" for path in outputs if not path.exists()]
    return missing + changes(_read(marker), facts) + (["asked for"] if force else [])


def check(marker: Path, facts: Facts, outputs: Sequence[Path], force: bool) -> bool:
    """Whether the stage is done; if not, note that it starts now."""
    reasons = reasons_to_run(marker, facts, outputs, force)
    if not reasons:
        return True
    logger.info("runs because: %s", "; ".join(reasons))
    marker.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(_started(marker), json.dumps(facts, indent=1).encode())
    marker.unlink(missing_ok=True)
    return False


def check_resumable(marker: Path, facts: Facts, folder: Path) -> None:
    """Refuse to go on with a training that began with other facts.

    ESPnet would load the checkpoint, find its epochs done, and leave the old parameters under the
    new options. More epochs of the same training are welcome.

    Raises:
        ConfigError: ``folder`` holds a checkpoint of another training.
    """
    known = next((path for path in (_started(marker), marker) if path.exists()), None)
    before = _read(known) if known else {}
    (old, old_epochs), (new, new_epochs) = _without_epochs(before), _without_epochs(facts)
    if old == new and old_epochs <= new_epochs:
        return
    raise ConfigError(
        f"{folder} holds another training.",
        got=_first(changes(before, facts)) if before else "a checkpoint without its options",
        want="what the training began with; only max_epoch may be raised",
        fix=f"remove {folder}, or give the new training its own name: --asr_tag NAME",
    )


def _without_epochs(facts: Facts) -> tuple[Facts, int]:
    """The facts but for max_epoch, and max_epoch, which options may overrule."""
    pattern, rest = r"--max_epoch[= ]+(\d+)", dict(facts)
    configured = rest.pop(MAX_EPOCH, str(ESPNET_MAX_EPOCH))
    overrules = rest.pop("--asr_args", "")
    rest["--asr_args"] = " ".join(re.sub(pattern, "", overrules).split())
    epochs = (re.findall(pattern, overrules) or [configured])[-1]
    return rest, int(epochs) if epochs.isdecimal() else 0


def _first(texts: Sequence[str], limit: int = 5) -> str:
    more = f"; and {len(texts) - limit} more" if len(texts) > limit else ""
    return "; ".join(texts[:limit]) + more


def _read_config(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise DataError(f"The stage needs {path}, which is missing.", fix="check --asr_config")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML.", got=str(error)) from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path} has no keys.", got=type(config).__name__, want="key: value")
    return {str(key): value for key, value in config.items()}


def _as_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _started(marker: Path) -> Path:
    return marker.with_name(f"{marker.name}.started")


def _read(marker: Path) -> Facts:
    try:
        facts: Facts = json.loads(marker.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    return facts


def _stat(name: str) -> str:
    try:
        status = os.stat(name)
    except OSError:
        return f"{name} missing"
    return f"{name} {status.st_size} {status.st_mtime_ns}"


def _named(pairs: Sequence[str], mark: str) -> Facts:
    unsplit = [pair for pair in pairs if "=" not in pair]
    if unsplit:
        raise ConfigError("A fact is NAME=VALUE.", got=", ".join(unsplit))
    return {f"{mark}{name}": value for name, value in (pair.split("=", 1) for pair in pairs)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Exit code 0: the stage is done; 3: run it.")
    parser.add_argument("marker", type=Path)
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--input", nargs="+", action="extend", default=[], help="by content")
    parser.add_argument("--stat", nargs="+", action="extend", default=[], help="by size and time")
    parser.add_argument("--audio", nargs="+", action="extend", default=[], help="wav.scp and audio")
    parser.add_argument("--config", action="append", default=[], metavar="FILE:PREFIX,PREFIX")
    parser.add_argument("--output", nargs="+", action="extend", default=[], type=Path)
    parser.add_argument("--resumes", type=Path, metavar="CHECKPOINT", help="what it goes on from")
    parser.add_argument("--force", action="store_true", help="run even if nothing changed")
    args = parser.parse_args()
    facts = _named(args.option, "--") | _named(args.variable, "$") | config_facts(args.config)
    for kind in ("input", "stat", "audio"):
        facts |= {str(p): fingerprint(Path(p), kind) for p in getattr(args, kind)}
    if args.resumes is not None and args.resumes.exists():
        check_resumable(args.marker, facts, args.resumes.parent)
    if not check(args.marker, facts, args.output, args.force):
        sys.exit(MUST_RUN)


if __name__ == "__main__":
    run_command(main)
