"""``EarlyExitSpeech2Text``: waveforms to text, each stopping at its first good exit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet_ee.batching import length_sorted_batches
from espnet_ee.cost import CostModel, UtteranceCost
from espnet_ee.data.cutting import CutOptions
from espnet_ee.decoding.ctc_beam import CTCBeamOptions
from espnet_ee.decoding.early_exit import (
    decode_all,
    decode_until_good,
    speak_greedily,
)
from espnet_ee.decoding.hypothesis import Speaker
from espnet_ee.errors import ConfigError
from espnet_ee.heads import num_parameters
from espnet_ee.host.attention_decoding import BeamOptions
from espnet_ee.host.checkpoint import (
    LoadedModel,
    find_checkpoint,
    load_model,
)
from espnet_ee.host.costing import cost_model_of, log_mel_of, reference_cost, sample_rate_of
from espnet_ee.host.pretrained import find_model
from espnet_ee.host.recognition import AllExits, Recognition
from espnet_ee.host.requests import Requests, limits_of_each
from espnet_ee.host.resources import resources_beside
from espnet_ee.host.texts import TokenTexts
from espnet_ee.host.transcription import Transcript, transcribe
from espnet_ee.host.waves import Wave, check_wave, fewest_samples, listed_waves
from espnet_ee.latency import LatencyProfile, setting_of
from espnet_ee.limits import Limits
from espnet_ee.nn.onednn import widen_primitive_cache
from espnet_ee.nn.packed import pack_for_inference
from espnet_ee.policies import ExitPolicy, available_policies, build_policy
from espnet_ee.record_format import GREEDY
from espnet_ee.walk import Batch

MAX_PADDED_SEC = 600.0  # of audio in a batch, padding included; bounds memory


class EarlyExitSpeech2Text:
    """Recognise speech with early exits.

    Example:
        >>> asr = EarlyExitSpeech2Text.from_exp("exp/asr_train_ee")
        >>> [r] = asr(wave, policy="entropy", threshold=-0.1)
        >>> r.text, r.layer, r.gflops

    Args:
        loaded: A model and its provenance.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        batch_size: Utterances decoded together.
        beam: Search by these options, by CTC or with attention decoders; None: greedy CTC.

    Attributes:
        latency: What deadlines are held by, once ``use_latency`` got it.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        device: str = "cpu",
        batch_size: int = 16,
        beam: BeamOptions | CTCBeamOptions | None = None,
    ) -> None:
        self.loaded, self.model = loaded, loaded.model
        self.device, self.batch_size = torch.device(device), batch_size
        self.num_parameters = num_parameters(self.model)
        self.frontend = log_mel_of(self.model.frontend)
        hop = self.frontend.hop_length if self.frontend else 1
        frame_samples = hop * self.model.encoder.frame_shift
        self.texts = TokenTexts(loaded.args, frame_samples / self.sample_rate)
        self.token_list = self.texts.token_list
        self.decoding = str(beam or GREEDY)
        self.speak: Speaker = beam.speaker(self.model) if beam else speak_greedily
        self.resources = resources_beside(loaded.config, self.exit_layers, self.text_of)
        self.latency: LatencyProfile | None = None
        widen_primitive_cache()
        pack_for_inference(self.model)

    @classmethod
    def from_exp(
        cls,
        exp: str | Path,
        checkpoint: str | Path | None = None,
        device: str = "cpu",
        batch_size: int = 16,
        beam: BeamOptions | CTCBeamOptions | None = None,
    ) -> EarlyExitSpeech2Text:
        """The model of an experiment folder.

        Args:
            exp: Holds ``config.yaml`` and checkpoints.
            checkpoint: Another checkpoint than the n-best average.
            device: ``cpu``, ``cuda`` or ``cuda:N``.
            batch_size: Utterances decoded together.
            beam: Search by these options, by CTC or with attention decoders; None: greedy CTC.

        Raises:
            ConfigError: No or a wrong ``config.yaml``, or nothing to search with.
            CheckpointError: No checkpoint, or a damaged or foreign one.
        """
        folder = Path(exp)
        path = Path(checkpoint) if checkpoint else find_checkpoint(folder)
        return cls(load_model(folder / "config.yaml", path, device), device, batch_size, beam)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str = "cpu",
        batch_size: int = 16,
        beam: BeamOptions | CTCBeamOptions | None = None,
    ) -> EarlyExitSpeech2Text:
        """A model by name.

        Args:
            name: An experiment folder, a ``.zip`` of recipe stage 14, or a hub's ``USER/MODEL``.
            device: As in ``from_exp``.
            batch_size: As in ``from_exp``.
            beam: As in ``from_exp``.

        Raises:
            ConfigError: There is no such model.
            CheckpointError: It is damaged.
        """
        files = find_model(name)
        return cls(load_model(files.config, files.checkpoint, device), device, batch_size, beam)

    @property
    def sample_rate(self) -> int:
        """Of the waveforms it wants, in Hz."""
        return sample_rate_of(self.loaded.args)

    @property
    def exit_layers(self) -> tuple[int, ...]:
        """Layers with an exit, from 1."""
        return self.model.encoder.exit_layers

    @torch.inference_mode()
    def __call__(
        self,
        waves: Wave | Sequence[Wave],
        policy: str | ExitPolicy = "layer",
        threshold: float = math.inf,
        compact: bool = True,
        limits: Limits | Sequence[Limits] | None = None,
        timestamps: bool = False,
    ) -> list[Recognition]:
        """Recognise, stopping each utterance at its first good exit.

        Args:
            waves: One ``(N,)`` waveform or several, float, at ``sample_rate``.
            policy: The exit rule or its name.
            threshold: First exit whose score reaches it; the default takes the last exit.
            compact: False computes all utterances of a batch to the end (for tests and benchmarks).
            limits: How far each utterance may go at most, one for all or one per waveform. Each
                is held by itself, as if alone: batches change nothing.
            timestamps: Align each text with the posteriors of its exit, for the times of its words.

        Returns:
            One result per waveform, in input order.

        Raises:
            ConfigError: Unknown policy, the model lacks what it needs, a deadline without
                ``use_latency``, or too few ``limits``.
            DataError: A waveform is empty, too short, not one-dimensional or not finite.
        """
        rule = self.policy(policy)
        if rule.look_back and self.speak is not speak_greedily:
            raise ConfigError(
                "look-back repeats what earlier exits said by greedy CTC.", got=self.decoding
            )
        listed = listed_waves(waves)
        own, costs = limits_of_each(limits, len(listed)), self.cost_model([rule])
        requests = Requests(self.exit_layers, costs, rule.reads_posteriors, own, self.latency)

        def batches() -> Iterator[Batch]:
            for places, features, lengths, seconds in self._batches(listed):
                requests.add(places, lengths.tolist(), seconds)
                yield features, lengths

        decisions = decode_until_good(
            self.model, batches(), rule, threshold, compact, self.speak, requests.ends, timestamps
        )
        results = {
            request.place: request.recognition(decision, self.texts, threshold)
            for request, decision in zip(requests.read, decisions, strict=True)
        }
        return [results[place] for place in sorted(results)]

    def transcribe(
        self, source: Wave | str | Path, cut: CutOptions | None = None, **options: Any
    ) -> Transcript:
        """Recognise a file or a waveform ``(N,)`` of any length, with times.

        Args:
            source: Files are read piece by piece, and may have any rate and number of channels.
            cut: How what is longer than ``max_sec`` is cut; each piece stops at its own exit.
            options: ``policy``, ``threshold`` and others of a call.
        """
        options["policy"] = self.policy(options.get("policy", "layer"))  # one for all pieces
        recognise = partial(self, **{**options, "timestamps": True})
        return transcribe(self, source, cut or CutOptions(), recognise)

    @torch.inference_mode()
    def all_exits(
        self, waves: Wave | Sequence[Wave], policies: Sequence[ExitPolicy] | None = None
    ) -> list[AllExits]:
        """Every exit's text and scores.

        Args:
            waves: As for a call.
            policies: Scored at every exit; default all that this model has what they need for.

        Returns:
            One result per waveform, in input order.
        """
        chosen = available_policies(self.resources) if policies is None else policies
        rules = [self.policy(rule) for rule in chosen]
        results: dict[int, AllExits] = {}
        cost_model = self.cost_model(rules)
        for places, features, lengths, seconds in self._batches(listed_waves(waves)):
            decoded = decode_all(self.model, features, lengths, rules, self.speak)
            each = zip(places, decoded, lengths.tolist(), seconds, strict=True)
            for place, exits, n, sec in each:
                texts = tuple(self.text_of(e.path.tokens) for e in exits)
                results[place] = AllExits(texts, tuple(exits), cost_model.utterance(n), sec)
        return [results[place] for place in sorted(results)]

    def policy(self, rule: str | ExitPolicy) -> ExitPolicy:
        """The policy, or the one of that name, with what this model has for it.

        Raises:
            ConfigError: Unknown policy, or the model lacks what it needs.
        """
        return (build_policy(rule) if isinstance(rule, str) else rule).bind(self.resources)

    def text_of(self, tokens: Sequence[int]) -> str:
        """Token ids to words."""
        return self.texts.text_of(tokens)

    def cost_model(self, rules: Sequence[ExitPolicy]) -> CostModel:
        """Counts GFLOPs of this model when it is scored by one of ``rules``."""
        return cost_model_of(self.model, rules)

    def cost_of(self, seconds: float) -> UtteranceCost:
        """Cost of an utterance of that length, scored by the costliest of its policies."""
        rules = available_policies(self.resources)
        return reference_cost(self.model, seconds, self.sample_rate, rules)

    def features(self, waves: Sequence[Wave]) -> tuple[Tensor, Tensor]:
        """Waveforms to ``(B, T, F)`` features and ``(B,)`` frames, as the encoder sees them."""
        samples = [torch.as_tensor(wave, dtype=torch.float32) for wave in waves]
        lengths = torch.tensor([len(wave) for wave in samples], device=self.device)
        speech = torch.nn.utils.rnn.pad_sequence(samples, batch_first=True).to(self.device)
        return self.model.speech_features(speech, lengths)

    def _batches(
        self, waves: Sequence[Wave]
    ) -> Iterator[tuple[list[int], Tensor, Tensor, list[float]]]:
        """Length-sorted batches: places in the input, features, frames, seconds."""
        for place, wave in enumerate(waves):
            self.check(wave, f"waveform {place}")
        lengths_sec = [len(wave) / self.sample_rate for wave in waves]
        for places in length_sorted_batches(lengths_sec, self.batch_size, MAX_PADDED_SEC):
            features, lengths = self.features([waves[place] for place in places])
            yield places, features, lengths, [lengths_sec[place] for place in places]

    @property
    def min_samples(self) -> int:
        """The fewest samples that give every stage something to read."""
        return fewest_samples(self.frontend, self.model.encoder.min_feature_frames)

    def check(self, wave: Any, what: str) -> None:
        """Refuse a waveform that cannot be recognised; ``what`` names it in the message.

        Raises:
            DataError: It is no float array, empty, too short, not one-dimensional or not finite.
        """
        check_wave(wave, what, self.sample_rate, self.min_samples)

    def use_latency(self, profile: LatencyProfile) -> None:
        """Hold deadlines by this profile.

        Raises:
            ConfigError: It is of another model, machine, device or number of threads.
        """
        profile.check(setting_of(self.loaded.sha256, self.device), self.exit_layers)
        self.latency = profile
