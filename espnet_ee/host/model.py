"""``model: ee_ctc_att``: ESPnet's CTC/attention model with a head and a loss at every exit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from espnet_ee import losses
from espnet_ee.errors import ConfigError
from espnet_ee.exits import Exit, Walk
from espnet_ee.heads import ExitHead, LinearHead, linear_flops
from espnet_ee.host.compat import ESPnetASRModel, force_gatherable
from espnet_ee.host.encoder import EarlyExitEncoder, check_waveform_input
from espnet_ee.host.features import extract_alone, normalise
from espnet_ee.nn.masks import valid_frames

HEAD_KINDS = ("own", "shared")


class EarlyExitASRModel(ESPnetASRModel):
    """CTC/attention model that learns and speaks at every exit.

    The last exit speaks through ESPnet's own ``ctc``, so stock tools read these models. An
    attention decoder, if configured, sits on the last exit as in ESPnet.

    Loss: ``ctc_weight * sum_m w_m CTC_m + (1 - ctc_weight) * attention``; the plain sum is that of
    arXiv:2309.09546. With one exit it is ESPnet's own.

    Args:
        exit_heads: ``own``: one linear layer per exit; ``shared``: all exits use the last one's.
        exit_weights: ``uniform``, ``depth`` or one number per exit, see ``espnet_ee.losses``.
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
        exit_weights: str | Sequence[float] = "uniform",
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
        _check_parts(encoder, postencoder, joint_network, ctc, ctc_weight, exit_heads)
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
        self.exit_weights = losses.exit_weights(exit_weights, len(encoder.exit_layers))
        own = encoder.exit_layers[:-1] if exit_heads == "own" else ()
        self.exit_heads = nn.ModuleDict(
            {
                str(layer): LinearHead(encoder.output_size(), vocab_size, ctc.dropout_rate)
                for layer in own
            }
        )

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

    def walk(self, features: Tensor, lengths: Tensor) -> Walk:
        """A lazy pass of the encoder over ``(B, T, F)`` features."""
        return self.encoder.walk(features, lengths)

    def exit_logits(self, layer: int, hidden: Tensor, lengths: Tensor) -> Tensor:
        """``(B, T, D)`` hidden states of the exit at ``layer`` to ``(B, T, V)`` logits."""
        if str(layer) in self.exit_heads:
            return self.exit_heads[str(layer)](hidden, lengths)
        dropped = functional.dropout(hidden, self.ctc.dropout_rate, self.training)
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
        text = text[:, : text_lengths.max()].masked_fill(
            ~valid_frames(text_lengths, int(text_lengths.max())), self.ignore_id
        )
        exits, lengths = self._encode_exits(speech, speech_lengths)
        stats: dict[str, Any] = {}
        loss_ctc = torch.zeros((), device=text.device)
        for weight, (layer, hidden) in zip(self.exit_weights, exits, strict=True):
            loss, cer = self._exit_ctc(layer, hidden, lengths, text, text_lengths)
            loss_ctc = loss_ctc + weight * loss
            stats[f"loss_exit{layer:02d}"] = stats["loss_ctc"] = loss.detach()
            stats[f"cer_exit{layer:02d}"] = stats["cer_ctc"] = cer
        loss = loss_ctc
        if self.ctc_weight < 1.0:
            loss_att, acc, cer, wer = self._calc_att_loss(exits[-1][1], lengths, text, text_lengths)
            loss = self.ctc_weight * loss_ctc + (1.0 - self.ctc_weight) * loss_att
            stats.update(loss_att=loss_att.detach(), acc=acc, cer=cer, wer=wer)
        stats["loss"] = loss.detach()
        return force_gatherable((loss, stats, speech.shape[0]), loss.device)

    def _encode_exits(
        self, speech: Tensor, speech_lengths: Tensor
    ) -> tuple[list[tuple[int, Tensor]], Tensor]:
        """Hidden states of every exit, shallow first, and ``(B,)`` frames."""
        encoded, lengths = self.encode(speech, speech_lengths)
        last, below = encoded if len(self.encoder.exit_layers) > 1 else (encoded, [])
        return [*below, (self.encoder.exit_layers[-1], last)], lengths

    def _exit_ctc(
        self, layer: int, hidden: Tensor, lengths: Tensor, text: Tensor, text_lengths: Tensor
    ) -> tuple[Tensor, float | None]:
        """Mean CTC loss over the batch and, in validation, the character error rate."""
        logits = self.exit_logits(layer, hidden, lengths)
        loss = losses.ctc_losses(logits, lengths, text, text_lengths).mean()
        if self.training or self.error_calculator is None:
            return loss, None
        padding = ~valid_frames(lengths, logits.shape[1])
        best = logits.argmax(dim=-1).masked_fill(padding, self.blank_id)
        return loss, self.error_calculator(best.cpu(), text.cpu(), is_ctc=True)

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


def _check_parts(
    encoder: Any, postencoder: Any, joint_network: Any, ctc: Any, ctc_weight: float, head: str
) -> None:
    """Refuse what early exit cannot serve, all problems at once."""
    problems = []
    if not isinstance(encoder, EarlyExitEncoder):
        problems.append(
            f"encoder {type(encoder).__name__} has no exits (want encoder: ee_conformer)"
        )
    if postencoder is not None:
        problems.append("a postencoder sees the last exit only (want postencoder: null)")
    if joint_network is not None:
        problems.append("transducers are not supported (want decoder: null)")
    if not 0.0 < ctc_weight <= 1.0:
        problems.append(f"ctc_weight is {ctc_weight} (want more than 0, at most 1)")
    if ctc.ctc_type != "builtin":
        problems.append(f"ctc_type is {ctc.ctc_type} (want builtin)")
    if head not in HEAD_KINDS:
        problems.append(f"exit_heads is {head!r} (want {' or '.join(HEAD_KINDS)})")
    if problems:
        raise ConfigError("model ee_ctc_att cannot be built: " + "; ".join(problems) + ".")
