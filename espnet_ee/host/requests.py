"""What a call is asked for: of each waveform its costs, and how deep it may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from espnet_ee.cost import CostModel
from espnet_ee.decoding.early_exit import Decision
from espnet_ee.errors import ConfigError
from espnet_ee.exits import Exit
from espnet_ee.host.recognition import Recognition
from espnet_ee.host.texts import TokenTexts
from espnet_ee.latency import LatencyProfile
from espnet_ee.limits import Allowance, Limits, allow


@dataclass(frozen=True)
class Request:
    """One waveform.

    Attributes:
        place: In the call.
        seconds: Of audio.
        gflops: ``E`` costs of stopping at each exit.
        allowance: The deepest exit within its limits.
    """

    place: int
    seconds: float
    gflops: tuple[float, ...]
    allowance: Allowance

    def recognition(self, decision: Decision, texts: TokenTexts, threshold: float) -> Recognition:
        """The result, with the limit that stopped it if its score, or the last exit, did not."""
        at_limit = decision.exit_index == self.allowance.last and not decision.score >= threshold
        return Recognition(
            text=texts.text_of(decision.path.tokens),
            tokens=decision.path.tokens,
            exit_index=decision.exit_index,
            layer=decision.layer,
            score=decision.score,
            scores=decision.scores,
            gflops=self.gflops[decision.exit_index] + decision.path.gflops,
            seconds=self.seconds,
            frames=decision.frames,
            log_prob=decision.path.log_prob,
            said_layer=decision.said_layer,
            words=texts.words(decision.path.spans),
            timed_tokens=texts.tokens(decision.path.spans),
            limited=self.allowance.limit if at_limit else None,
            exceeded=self.allowance.exceeded,
            nbest=texts.alternatives(decision.path.nbest),
        )


class Requests:
    """The waveforms of one call, in order of decoding; batches are added as they are read.

    Args:
        layers: With an exit.
        cost_model: Of the call's policy.
        reads_posteriors: Of the call's policy.
        limits: Of each waveform, by its place in the call; None: of none.
        latency: What deadlines are held by.
    """

    def __init__(
        self,
        layers: Sequence[int],
        cost_model: CostModel,
        reads_posteriors: bool,
        limits: Sequence[Limits] | None,
        latency: LatencyProfile | None,
    ) -> None:
        self._layers, self._cost_model = layers, cost_model
        self._reads_posteriors, self._limits, self._latency = reads_posteriors, limits, latency
        self.read: list[Request] = []

    def add(self, places: Sequence[int], frames: Sequence[int], seconds: Sequence[float]) -> None:
        """A batch: places in the call, feature frames, seconds of audio."""
        self.read += [self._request(*one) for one in zip(places, frames, seconds, strict=True)]

    def ends(self, exit: Exit) -> Tensor:
        """``(B,)`` bool: the utterances for which this is the deepest exit allowed."""
        at_end = [self.read[n].allowance.last <= exit.index for n in exit.utterances.tolist()]
        return torch.tensor(at_end, device=exit.utterances.device)

    def _request(self, place: int, frames: int, seconds: float) -> Request:
        cost = self._cost_model.utterance(frames)
        gflops = tuple(
            cost.until(index, self._reads_posteriors) for index in range(len(self._layers))
        )
        if self._limits is None:
            return Request(place, seconds, gflops, Allowance(len(self._layers) - 1))
        per_sec = [value / seconds for value in gflops]
        ms = self._latency.ms(seconds) if self._latency else None
        return Request(
            place, seconds, gflops, allow(self._limits[place], self._layers, per_sec, ms)
        )


def limits_of_each(limits: Limits | Sequence[Limits] | None, waves: int) -> list[Limits] | None:
    """One per waveform.

    Raises:
        ConfigError: Another number of limits than waveforms.
    """
    if limits is None or isinstance(limits, Limits):
        return None if limits is None else [limits] * waves
    if len(limits) != waves:
        raise ConfigError(
            "there is not one Limits for each waveform.",
            got=f"{len(limits)} limits, {waves} waveforms",
            want="one for all, or as many as waveforms",
        )
    return list(limits)
