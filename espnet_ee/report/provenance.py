"""Where the numbers come from: versions, checkpoint, command, state of the repository."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from datetime import datetime

from espnet_ee.records import RecordHeader
from espnet_ee.report.experiment import Decoded

_PROGRAMS = {"python": "python", "espnet": "espnet", "torch": "pytorch", "espnet_ee": "espnet_ee"}


def environment_lines(decoded: Sequence[Decoded], command: str, now: datetime) -> list[str]:
    """Return the header of RESULTS.md as ESPnet writes it, and what it leaves out."""
    versions = [item.scored.header.versions for item in decoded]
    lines = [
        "# RESULTS",
        "",
        "Made by this command; do not edit.",
        "",
        "```sh",
        command,
        "```",
        "",
        "## Environments",
        f"- date: `{now.strftime('%a %b %d %H:%M:%S %Y')}`",
    ]
    for key, name in _PROGRAMS.items():
        known = sorted({version.get(key, "unknown") for version in versions})
        prefix = "" if key == "python" else f"{name} "
        lines.append(f"- {name} version: {', '.join(f'`{prefix}{value}`' for value in known)}")
    return [*lines, *_git_lines()]


def _git_lines() -> list[str]:
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return ["- Git hash: `none, made outside a git checkout`"]
    changed = " (with local changes)" if _git("status", "--porcelain", "-uno") else ""
    date = _git("log", "-1", "--format=%cd") or "unknown"
    return [f"- Git hash: `{commit}`{changed}", f"  - Commit date: `{date}`"]


def _git(*arguments: str) -> str | None:
    """Return git's answer, None without git or outside a checkout."""
    try:
        done = subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def model_lines(headers: Sequence[RecordHeader]) -> list[str]:
    """Return one block per model that decoded: file, size, ways of decoding, seed, threads."""
    models: dict[tuple[str, str], list[RecordHeader]] = {}
    for header in headers:
        models.setdefault((header.config, header.checkpoint_path), []).append(header)
    return [line for of_model in models.values() for line in _model_block(of_model)]


def _model_block(headers: Sequence[RecordHeader]) -> list[str]:
    first = headers[0]
    ways = dict.fromkeys(
        f"{header.decoding}; seed: {header.seed}, threads: {header.threads}" for header in headers
    )
    return [
        f"- config: `{first.config}`",
        f"  - checkpoint: `{first.checkpoint_path}`, sha256 `{first.checkpoint_sha256}`",
        f"  - parameters: {first.num_parameters:,}; exits after layers "
        f"{', '.join(map(str, first.exits))} of {first.num_layers}",
        *(f"  - decoding: {way}" for way in ways),
    ]
