"""How far one request may go: a layer, a cost or a deadline, and the deepest exit within them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from espnet_ee.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """What one utterance may take; None: as much as the policy wants.

    Attributes:
        max_layer: Deepest block, from 1.
        max_gflops_per_sec: Cost from the waveform on, per second of audio; a search's is not known
            before and not counted.
        deadline_ms: Computing time from the waveform on, as a ``LatencyProfile`` predicts it.

    Raises:
        ConfigError: A limit is not a positive, finite number.
    """

    max_layer: int | None = None
    max_gflops_per_sec: float | None = None
    deadline_ms: float | None = None

    def __post_init__(self) -> None:
        wrong = {name: value for name, value in self.given.items() if not 0 < value < math.inf}
        if wrong:
            raise ConfigError(
                "a limit must be a positive, finite number.",
                got=", ".join(f"{name}={value}" for name, value in wrong.items()),
            )

    @property
    def given(self) -> dict[str, float]:
        """The limits there are, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Allowance:
    """The deepest exit that an utterance may take.

    Attributes:
        last: Its exit index; 0 also where not even the first exit is within the limits.
        limit: The limit that forbids the next exit; None where it is the model's last.
        exceeded: The limits that even the first exit goes beyond.
    """

    last: int
    limit: str | None = None
    exceeded: tuple[str, ...] = ()


def allow(
    limits: Limits,
    layers: Sequence[int],
    gflops_per_sec: Sequence[float],
    ms: Sequence[float] | None = None,
) -> Allowance:
    """Return the deepest exit up to which all are within the limits.

    Args:
        limits: Of one utterance.
        layers: ``E`` blocks with an exit.
        gflops_per_sec: ``E`` costs of stopping there, per second of audio.
        ms: ``E`` predicted computing times, if known.

    Raises:
        ConfigError: A deadline without times.
    """
    if limits.deadline_ms is not None and ms is None:
        raise ConfigError(
            "a deadline needs to know how long each exit takes on this machine.",
            got=f"deadline_ms={limits.deadline_ms:g} without a latency profile",
            fix="espnet-ee profile --exp EXP --output profile.json, then --profile profile.json",
        )
    taken = {"max_layer": layers, "max_gflops_per_sec": gflops_per_sec, "deadline_ms": ms or ()}
    within = {
        name: _leading([value <= most for value in taken[name]])
        for name, most in limits.given.items()
    }
    if not within:
        return Allowance(len(layers) - 1)
    tightest = min(within, key=lambda name: within[name])
    last = max(within[tightest] - 1, 0)
    return Allowance(
        last=last,
        limit=tightest if last < len(layers) - 1 else None,
        exceeded=tuple(name for name, count in within.items() if count == 0),
    )


def _leading(within: Sequence[bool]) -> int:
    """How many exits from the first on are within a limit."""
    return next((place for place, good in enumerate(within) if not good), len(within))
