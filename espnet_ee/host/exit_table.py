"""Count, and where asked measure, what each exit of a model needs for some audio."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from espnet_ee.data.audio import read_audio
from espnet_ee.errors import ConfigError
from espnet_ee.exit_costs import ExitCosts, ExitOperations, add_up
from espnet_ee.heads import num_parameters
from espnet_ee.host.checkpoint import LoadedModel
from espnet_ee.host.costing import input_rate, log_mel_of, reference_cost, sample_rate_of
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.parameters import exit_parameters
from espnet_ee.host.profiling import about, noise, time_exits
from espnet_ee.host.waves import Wave, check_wave, fewest_samples
from espnet_ee.latency import setting_of
from espnet_ee.measured import MeasuredLatency
from espnet_ee.scoring import FloatArray

MEASURED_UTTERANCES = 20
LONGEST_SEC = 3600.0  # what goes through the model in one piece: longer audio is cut


@dataclass(frozen=True)
class CostRequest:
    """Of what audio costs are counted.

    Attributes:
        lengths_sec: Of utterances; read where there are no ``files``.
        files: Audio files.
        files_name: What they are called in tables.
        utterances: How many of the files are taken, evenly spread, or how many pieces of noise
            are timed; None: all files, ``MEASURED_UTTERANCES`` where times are measured.
        measure: Whether times are measured.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
    """

    lengths_sec: Sequence[float] = ()
    files: Sequence[Path] = ()
    files_name: str = ""
    utterances: int | None = None
    measure: bool = False
    device: str = "cpu"

    @property
    def timed(self) -> int:
        """How many utterances are timed."""
        return self.utterances or MEASURED_UTTERANCES

    @property
    def chosen(self) -> list[Path]:
        """The files that are read."""
        most = self.timed if self.measure else self.utterances or len(self.files)
        places = np.linspace(0, len(self.files) - 1, min(most, len(self.files))).round()
        return [self.files[int(place)] for place in places]


def exit_costs(
    loaded: LoadedModel, name: str, request: CostRequest
) -> tuple[ExitCosts, MeasuredLatency | None]:
    """What each exit needs, and the times of all the audio together.

    Args:
        loaded: A model; measuring packs its weights.
        name: For readers.
        request: Of what audio.

    Raises:
        ConfigError: Times are wanted of a model that reads features.
        DataError: An audio file cannot be read, or an utterance is too short.
    """
    parameters, total = exit_parameters(loaded.model), num_parameters(loaded.model)
    layers = loaded.model.encoder.exit_layers
    operations = list(_operations(loaded, request))
    from_features = loaded.model.frontend is None and not loaded.model.encoder.reads_samples
    measured = None
    if request.measure:
        if from_features:
            raise ConfigError("a model of features cannot be timed from the waveform.")
        asr = EarlyExitSpeech2Text(loaded, request.device, 1)
        operations, measured = _measure(asr, parameters, operations, request)
    costs = ExitCosts(name, layers, parameters, total, from_features, tuple(operations))
    return costs, measured


def _operations(loaded: LoadedModel, request: CostRequest) -> Iterator[ExitOperations]:
    rate = sample_rate_of(loaded.args)
    if not request.files:
        for sec in request.lengths_sec:
            _check_length(loaded, sec, rate)
            yield add_up(f"{sec:g} s", [sec], [reference_cost(loaded.model, sec, rate)])
        return
    lengths = [len(wave) / rate for wave in _read(loaded, request.chosen)]
    costs = [reference_cost(loaded.model, sec, rate) for sec in lengths]
    yield add_up(request.files_name, lengths, costs)


def _measure(
    asr: EarlyExitSpeech2Text,
    parameters: Sequence[int],
    operations: Sequence[ExitOperations],
    request: CostRequest,
) -> tuple[list[ExitOperations], MeasuredLatency]:
    """Times of each audio, and of all of them together."""
    setting = setting_of(asr.loaded.sha256, asr.device)
    exits = list(zip(asr.exit_layers, parameters, strict=True))
    every: list[tuple[FloatArray, FloatArray]] = []
    with_times = []
    for one, waves in zip(operations, _timed_waves(asr, request), strict=True):
        every.append(_without_first(time_exits(asr, waves)))
        source = f"noise of {one.audio}" if not request.files else one.audio
        measured = MeasuredLatency.of_times(setting, source, exits, *every[-1])
        with_times.append(replace(one, measured=measured))
    audio_sec, times = (np.concatenate(parts) for parts in zip(*every, strict=True))
    sources = ", ".join(one.audio for one in operations)
    source = f"noise of {sources}" if not request.files else sources
    return with_times, MeasuredLatency.of_times(setting, source, exits, audio_sec, times)


def _timed_waves(asr: EarlyExitSpeech2Text, request: CostRequest) -> Iterator[Iterator[Wave]]:
    """For each audio its waveforms; the first warms up."""
    if request.files:
        yield _read(asr.loaded, [request.chosen[0], *request.chosen])
        return
    for sec in request.lengths_sec:
        yield noise([sec, *about(sec, request.timed)], asr.sample_rate)


def _without_first(timed: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    audio_sec, times = timed
    return audio_sec[1:], times[1:]


def _read(loaded: LoadedModel, paths: Sequence[Path]) -> Iterator[Wave]:
    rate = sample_rate_of(loaded.args)
    for path in paths:
        wave = read_audio(path, rate).samples
        check_wave(wave, f"audio file {path}", rate, _fewest(loaded))
        yield wave


def _check_length(loaded: LoadedModel, seconds: float, rate: int) -> None:
    """Refuse lengths that no stage can read, or no memory hold."""
    per_sec = input_rate(loaded.model, rate)
    shortest = _fewest(loaded) / per_sec
    if round(seconds * per_sec) < _fewest(loaded) or seconds > LONGEST_SEC:
        raise ConfigError(
            "an utterance has an impossible length.",
            got=f"{seconds:g} s",
            want=f"{shortest:.3f} s to {LONGEST_SEC:g} s",
            fix="--seconds 10",
        )


def _fewest(loaded: LoadedModel) -> int:
    model = loaded.model
    return fewest_samples(log_mel_of(model.frontend), model.encoder.min_feature_frames)
