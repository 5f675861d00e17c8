"""How long a model takes to each exit on one machine, measured once and predicted from then on.

The time to an exit is ``a + b s + c s^2`` for ``s`` seconds of audio: a start, what grows with the
frames, and attention, which grows with their square. All three are at least 0 for the part between
two exits, so a prediction never falls with depth or length. It is what nine of ten calls keep.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.machine import cpu_name, device_name
from espnet_ee.scoring import FloatArray

if TYPE_CHECKING:
    import torch

FORMAT = "espnet-ee-latency"
QUANTILE = 0.9  # of the measured calls: what a prediction promises
_TERMS = 3  # a, b, c


@dataclass(frozen=True)
class Setting:
    """What a time depends on besides the audio.

    Attributes:
        checkpoint_sha256: Of the model.
        device: ``cpu`` or the name of the GPU.
        cpu: Name of the processor.
        threads: Of torch on the CPU.
    """

    checkpoint_sha256: str
    device: str
    cpu: str
    threads: int


def setting_of(checkpoint_sha256: str, device: torch.device) -> Setting:
    """The setting of this process."""
    import torch

    where = (device_name(device), cpu_name(), torch.get_num_threads())
    return Setting(checkpoint_sha256, *where)


@dataclass(frozen=True)
class LatencyProfile:
    """Predicted computing time of one utterance, alone, to each exit.

    Attributes:
        setting: Where and with what it was measured.
        date: When, ISO 8601.
        layers: ``E`` blocks with an exit.
        coefficients: ``E`` times ``(a, b, c)``: seconds, seconds per second of audio, and per its
            square.
        lengths_sec: Of the audio that was measured; beyond them it extrapolates.
        margin: What the fit was multiplied by, so that ``QUANTILE`` of the calls took no longer.
    """

    setting: Setting
    date: str
    layers: tuple[int, ...]
    coefficients: tuple[tuple[float, ...], ...]
    lengths_sec: tuple[float, ...]
    margin: float

    def ms(self, seconds: float) -> list[float]:
        """``E`` milliseconds to each exit of that much audio, growing with depth."""
        return [1000.0 * sec for sec in self.seconds(np.array([seconds]))[0].tolist()]

    def seconds(self, audio_sec: FloatArray) -> FloatArray:
        """``(U,)`` seconds of audio to ``(U, E)`` seconds of computing."""
        times: FloatArray = _powers(audio_sec) @ np.array(self.coefficients).T
        return times

    def check(self, setting: Setting, layers: Sequence[int]) -> None:
        """Refuse to predict for anything else than what was measured.

        Raises:
            ConfigError: Another model, machine, device or number of threads.
        """
        mine = {**asdict(self.setting), "layers": list(self.layers)}
        wanted = {**asdict(setting), "layers": list(layers)}
        different = [name for name in wanted if mine[name] != wanted[name]]
        if different:
            raise ConfigError(
                "the latency profile was measured for something else.",
                got="; ".join(f"{name}: {mine[name]}" for name in different),
                want="; ".join(f"{name}: {wanted[name]}" for name in different),
                fix="measure again: espnet-ee profile --exp EXP --output profile.json",
            )

    def save(self, path: str | Path) -> None:
        """Write JSON."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=1)
        Path(path).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> LatencyProfile:
        """Read what ``save`` wrote.

        Raises:
            DataError: The file is missing, damaged or something else.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise ValueError("another format")
            return cls(**_typed(values))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(
                f"{path} is no latency profile.",
                got=str(error),
                fix="espnet-ee profile --exp EXP --output " + str(path),
            ) from error


def fit(audio_sec: Sequence[float], times_sec: FloatArray) -> tuple[FloatArray, float]:
    """Fit the model of this module to measured times.

    Args:
        audio_sec: ``N`` lengths.
        times_sec: ``(N, E)`` seconds from the start to each exit.

    Returns:
        Coefficients ``(E, 3)``, margin included, and the margin.
    """
    from scipy.optimize import nnls

    powers = _powers(np.asarray(audio_sec))
    # Calls to different exits: a deeper one may have been lucky.
    parts = np.diff(np.maximum.accumulate(times_sec, axis=1), axis=1, prepend=0.0)
    weights = 1.0 / times_sec[:, -1]  # short utterances count as much as long ones
    found = [nnls(powers * weights[:, None], part * weights)[0] for part in parts.T]
    coefficients: FloatArray = np.cumsum(found, axis=0)
    margin = float(np.quantile(times_sec / (powers @ coefficients.T), QUANTILE))
    return margin * coefficients, margin


def _powers(audio_sec: FloatArray) -> NDArray[np.float64]:
    """``(U,)`` to ``(U, 3)``: 1, s, s^2."""
    return np.vander(np.asarray(audio_sec, dtype=np.float64), _TERMS, increasing=True)


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists to tuples; raises ValueError where the numbers cannot be a profile's."""
    if values.keys() != {field.name for field in fields(LatencyProfile)}:
        raise ValueError(f"other keys: {', '.join(values)}")
    coefficients = tuple(tuple(map(float, row)) for row in values["coefficients"])
    if any(len(row) != _TERMS for row in coefficients) or len(coefficients) != len(
        values["layers"]
    ):
        raise ValueError("not three coefficients for each layer")
    return {
        **values,
        "setting": Setting(**values["setting"]),
        "layers": tuple(map(int, values["layers"])),
        "coefficients": coefficients,
        "lengths_sec": tuple(map(float, values["lengths_sec"])),
    }
