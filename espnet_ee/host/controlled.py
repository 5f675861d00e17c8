"""A stream of waveforms whose threshold a chooser sets anew for every call."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from espnet_ee.errors import ConfigError
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.recognition import Recognition
from espnet_ee.host.waves import Wave
from espnet_ee.limits import Limits
from espnet_ee.policies import ExitPolicy
from espnet_ee.records import Record
from espnet_ee.streams import Outcome, ThresholdChooser

CostName = Literal["gflops", "seconds"]


class ControlledStream:
    """Recognises one call after the other, each at the threshold learnt from those before.

    Example:
        >>> controller = CostController(CostCurve.of(dev, "entropy"), target=0.06)
        >>> for result in ControlledStream(asr, "entropy", controller)(waves):
        ...     print(result.text, result.gflops)

    Args:
        asr: Recognises.
        policy: The exit rule or its name.
        chooser: Sets thresholds: a ``CostController`` or a ``ThresholdBandit``.
        call_size: Waveforms per call, which share a threshold.
        cost: What the chooser hears of: ``gflops``, or ``seconds`` of computing, measured.
        limits: Of every utterance.
    """

    def __init__(
        self,
        asr: EarlyExitSpeech2Text,
        policy: str | ExitPolicy,
        chooser: ThresholdChooser,
        call_size: int = 1,
        cost: CostName = "gflops",
        limits: Limits | None = None,
    ) -> None:
        self.asr, self.policy, self.chooser = asr, policy, chooser
        self.call_size, self.cost, self.limits = call_size, cost, limits

    def __call__(self, waves: Iterable[Wave], timestamps: bool = False) -> Iterator[Recognition]:
        """Recognise lazily: a call's waveforms are taken when its first result is asked for."""
        remaining = iter(waves)
        while call := list(itertools.islice(remaining, self.call_size)):
            yield from self._call(call, timestamps)

    def _call(self, waves: Sequence[Wave], timestamps: bool) -> list[Recognition]:
        """Recognise these together and let the chooser hear of them."""
        start, threshold = time.perf_counter(), self.chooser.threshold
        results = self.asr(waves, self.policy, threshold, limits=self.limits, timestamps=timestamps)
        per_audio_sec = (time.perf_counter() - start) / sum(result.seconds for result in results)
        measured = self.cost == "seconds"
        self.chooser.observe(
            [
                Outcome(
                    scores=result.scores,
                    cost=per_audio_sec * result.seconds if measured else result.gflops,
                    seconds=result.seconds,
                )
                for result in results
            ]
        )
        return results


def check_same_checkpoint(record: Record, asr: EarlyExitSpeech2Text, path: str) -> None:
    """Refuse thresholds of another model.

    Raises:
        ConfigError: The record was made with another checkpoint.
    """
    if record.header.checkpoint_sha256 != asr.loaded.sha256:
        raise ConfigError(
            f"{path} is the record of another model.",
            got=f"checkpoint {record.header.checkpoint_path}",
            want=f"checkpoint {asr.loaded.checkpoint}",
            fix="decode the development set with this model (recipe stage 12)",
        )
