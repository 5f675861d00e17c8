"""``model: ee_ctc_att``: ESPnet's CTC/attention model with a head and a loss at every exit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from espnet_ee import losses
from espnet_ee.errors import ConfigError
from espnet_ee.exits import Exit
from espnet_ee.heads import ExitHead, build_head, linear_flops
from espnet_ee.host.checks import check_combinations, check_parts
from espnet_ee.host.compat import ESPnetASRModel, force_gatherable
from espnet_ee.host.encoder import check_waveform_input
from espnet_ee.host.exit_decoders import ExitDecoders, attention_layers
from espnet_ee.host.features import extract_alone, normalise
from espnet_ee.host.freezing import rest_frozen
from espnet_ee.host.teacher import FrozenTeacher
from espnet_ee.host.training import batch_loss
from espnet_ee.nn.masks import valid_frames
from espnet_ee.schedule import StepSchedule
from espnet_ee.walk import Batch, Walk


class EarlyExitASRModel(ESPnetASRModel):
    """CTC/attention model that learns and speaks at every exit.

    The last exit speaks through ESPnet's own ``ctc`` and ``decoder``, so stock tools read these
    models.

    Loss: ``ctc_weight * sum_m w_m CTC_m + (1 - ctc_weight) * sum_m w_m attention_m``; with equal
    weights that of arXiv:2309.09546. With one exit it is ESPnet's own.

    Args:
        exit_heads: ``own``: a head per exit; ``shared``: all exits use the last one's linear
            layer, as wav2vec2-ee does.
        exit_head: Kind of own heads below the last exit, see ``espnet_ee.heads``.
        exit_head_conf: Its options.
        exit_weights: Constant or learned weights or by confidence, see ``espnet_ee.losses``.
            Attention losses take the constant ones, else weigh 1.
        attention_exits: Exits with an attention decoder: ``last``, ``all`` or some layers.
        exit_decoders: ``own`` or ``shared``, see ``ExitDecoders``.
        distillation: ``none``, ``sequence`` or ``frame``, see ``espnet_ee.losses``.
        distillation_conf: Its options, and ``teacher``: an experiment folder whose last exit
            teaches; without one this model's own last exit does.
        training_strategy: ``joint``, ``alternating`` or ``random_exit``, see ``StepSchedule``.
        freeze_body_updates: Steps at the start in which the encoder rests.
        Everything else: as for ``ESPnetASRModel``.

    Raises:
        ConfigError: Parts that early exit cannot serve, or wrong options.
    """

    def __init__(
        self,
        vocab_size: int,
        token_list: Sequence[str],
        frontend: Any,
        specaug: Any,
        normalize: Any,
        preencoder: Any,
        encoder: Any,
        postencoder: Any,
        decoder: Any,
        ctc: Any,
        joint_network: Any,
        ctc_weight: float = 1.0,
        exit_heads: str = "own",
        exit_head: str = "linear",
        exit_head_conf: Mapping[str, Any] | None = None,
        exit_weights: str | Sequence[float] = "uniform",
        attention_exits: str | Sequence[int] = "last",
        exit_decoders: str = "own",
        distillation: str = "none",
        distillation_conf: Mapping[str, Any] | None = None,
        training_strategy: str = "joint",
        freeze_body_updates: int = 0,
        ignore_id: int = -1,
        lsm_weight: float = 0.0,
        length_normalized_loss: bool = False,
        report_cer: bool = True,
        report_wer: bool = True,
        sym_space: str = "<space>",
        sym_blank: str = "<blank>",
        sym_sos: str = "<sos/eos>",
        sym_eos: str = "<sos/eos>",
        autocast_frontend: bool = False,
        extract_feats_in_collect_stats: bool = True,
    ) -> None:
        check_parts(encoder, postencoder, joint_network, ctc, ctc_weight)
        check_combinations(
            {
                "exit_heads": exit_heads,
                "exit_head": exit_head,
                "exit_head_conf": exit_head_conf or {},
                "attention_exits": attention_exits,
                "exit_decoders": exit_decoders,
                "distillation": distillation,
                "distillation_conf": distillation_conf or {},
                "training_strategy": training_strategy,
            },
            attends=ctc_weight < 1.0,
        )
        check_waveform_input(
            encoder, frontend=frontend, specaug=specaug, normalize=normalize, preencoder=preencoder
        )
        if token_list[0] != sym_blank:
            raise ConfigError(
                "the first token must be the blank.", got=repr(token_list[0]), want=sym_blank
            )
        super().__init__(
            vocab_size=vocab_size,
            token_list=list(token_list),
            frontend=frontend,
            specaug=specaug,
            normalize=normalize,
            preencoder=preencoder,
            encoder=encoder,
            postencoder=postencoder,
            decoder=decoder,
            ctc=ctc,
            joint_network=joint_network,
            ctc_weight=ctc_weight,
            ignore_id=ignore_id,
            lsm_weight=lsm_weight,
            length_normalized_loss=length_normalized_loss,
            report_cer=report_cer,
            report_wer=report_wer,
            sym_space=sym_space,
            sym_blank=sym_blank,
            sym_sos=sym_sos,
            sym_eos=sym_eos,
            autocast_frontend=autocast_frontend,
            extract_feats_in_collect_stats=extract_feats_in_collect_stats,
        )
        exit_layers = encoder.exit_layers
        own = exit_layers[:-1] if exit_heads == "own" else ()
        width, options = encoder.output_size(), exit_head_conf or {}
        self.exit_heads = nn.ModuleDict(
            {
                str(layer): build_head(exit_head, options, width, vocab_size, ctc.dropout_rate)
                for layer in own
            }
        )
        self.attention_layers = attention_layers(attention_exits, exit_layers, ctc_weight < 1.0)
        if len(self.attention_layers) > 1:
            self.exit_attention = ExitDecoders(
                exit_decoders, decoder, self.attention_layers[:-1], width
            )
        self.weighting = losses.build_weighting(exit_weights, len(exit_layers))
        conf = dict(distillation_conf or {})
        teacher = conf.pop("teacher", None)
        self.distillation = losses.build_distillation(
            distillation, conf, len(exit_layers), own_teacher=teacher is None
        )
        self.frozen_teacher = FrozenTeacher(teacher, list(token_list)) if teacher else None
        self.schedule = StepSchedule(training_strategy, len(exit_layers), freeze_body_updates)
        self._register_load_state_dict_pre_hook(self._leave_out_training_state)

    # -- decoding: walk and speak ------------------------------------------------------------

    def speech_features(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, N)`` samples to the ``(B, T, F)`` and ``(B,)`` frames that the encoder reads.

        SpecAugment, in training, follows the normalisation, so that what it masks becomes the mean
        (arXiv:1904.08779, section 2). ESPnet masks first: its zeros in the log-mel domain are
        loud bands after normalisation.
        """
        with torch.autocast(speech.device.type, enabled=self.autocast_frontend):
            features, lengths = self._extract_feats(speech, speech_lengths)
            if self.normalize is not None:
                features = normalise(self.normalize, features, lengths)
            if self.specaug is not None and self.training:
                features, lengths = self.specaug(features, lengths)
        if self.preencoder is not None:
            features, lengths = self.preencoder(features, lengths)
        return features, lengths

    def encode(
        self, speech: Tensor, speech_lengths: Tensor
    ) -> tuple[Tensor | tuple[Tensor, list[tuple[int, Tensor]]], Tensor]:
        """Features and encoder, in ESPnet's InterCTC return convention; its decoders call this."""
        encoded, lengths, _ = self.encoder(*self.speech_features(speech, speech_lengths))
        return encoded, lengths

    def walk(self, batches: Iterable[Batch]) -> Walk:
        """A lazy pass of the encoder over batches of ``(B, T, F)`` features and their frames."""
        return self.encoder.walk(batches)

    def exit_logits(self, layer: int, hidden: Tensor, lengths: Tensor) -> Tensor:
        """``(B, T, D)`` hidden states of the exit at ``layer`` to ``(B, T, V)`` logits."""
        if str(layer) in self.exit_heads:
            return self.exit_heads[str(layer)](hidden, lengths)
        # The layer's own mode: a frozen one rests while the model trains.
        dropped = functional.dropout(hidden, self.ctc.dropout_rate, self.ctc.training)
        return self.ctc.ctc_lo(dropped)

    def exit_log_probs(self, exit: Exit) -> Tensor:
        """``(B, T, V)`` CTC log-probabilities of one exit."""
        return self.exit_logits(exit.layer, exit.hidden, exit.lengths).log_softmax(dim=-1)

    def head_flops(self, layer: int, frames: int) -> int:
        """FLOPs of the head at ``layer`` for one utterance of ``frames`` frames."""
        if str(layer) in self.exit_heads:
            head = self.exit_heads[str(layer)]
            assert isinstance(head, ExitHead)
            return head.flops(frames)
        return linear_flops(self.ctc.ctc_lo, frames)

    def exit_decoder(self, layer: int) -> Any:
        """The attention decoder of an exit."""
        if layer == self.attention_layers[-1]:
            return self.decoder
        return self.exit_attention.decoder_of(layer, self.decoder)

    def attention_memory(self, layer: int, hidden: Tensor) -> Tensor:
        """``(B, T, D)`` hidden states of an exit to what its attention decoder reads."""
        if layer == self.attention_layers[-1]:
            return hidden
        return self.exit_attention.memory(layer, hidden)

    # -- training ----------------------------------------------------------------------------

    def forward(
        self,
        speech: Tensor,
        speech_lengths: Tensor,
        text: Tensor,
        text_lengths: Tensor,
        **_utt_id: Any,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Loss of one batch.

        Args:
            speech: ``(B, N)`` samples, or features for models without a front-end.
            speech_lengths: ``(B,)``.
            text: ``(B, L)`` labels, -1 on padding.
            text_lengths: ``(B,)``.

        Returns:
            Loss, statistics for ESPnet's reporter (``loss_exit06``, ``cer_exit06``, ...;
            ``loss_ctc`` and ``cer_ctc`` are the last exit's), and the batch size.
        """
        longest = int(text_lengths.max())
        real = valid_frames(text_lengths, longest)
        text = text[:, :longest].masked_fill(~real, self.ignore_id)
        loss, stats = batch_loss(self, speech, speech_lengths, text, text_lengths)
        return force_gatherable((loss, stats, speech.shape[0]), loss.device)

    def train(self, mode: bool = True) -> EarlyExitASRModel:
        """As usual, but parts whose parameters are all frozen stay in evaluation mode.

        ``--freeze_param`` stops gradients only: dropout and running statistics would go on.
        """
        super().train(mode)
        if mode:
            rest_frozen(self)
        return self

    def _leave_out_training_state(self, states: dict[str, Any], prefix: str, *_rest: Any) -> None:
        """Leave out counters and learned weights of another strategy (``--init_param``)."""
        own = self.state_dict()
        parts = (f"{prefix}schedule.", f"{prefix}weighting.")
        for key in [key for key in states if key.startswith(parts)]:
            name = key.removeprefix(prefix)
            if name not in own:
                del states[key]
            elif own[name].shape != states[key].shape:
                states[key] = own[name]

    @property
    def may_skip_parameters(self) -> bool:
        """Whether a step may leave trained parameters without a gradient (see DDP)."""
        encoder_skips: bool = self.encoder.may_skip_parameters
        return encoder_skips or self.schedule.may_skip_parameters

    def _extract_feats(self, speech: Tensor, speech_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Features; outside training one utterance at a time.

        A centred STFT of a padded batch sees zeros behind the shorter utterances where alone
        it would see their reflection, so their last frames would depend on their neighbours.
        """
        if self.training or self.frontend is None:
            return super()._extract_feats(speech, speech_lengths)
        parts = [
            extract_alone(self.frontend, row[None, :n], length[None])
            for row, n, length in zip(speech, speech_lengths.tolist(), speech_lengths, strict=True)
        ]
        features = nn.utils.rnn.pad_sequence([f[0] for f, _ in parts], batch_first=True)
        return features, torch.cat([n for _, n in parts])
