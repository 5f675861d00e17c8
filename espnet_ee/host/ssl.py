"""``encoder: ee_ssl``: HuBERT, wav2vec 2.0 and WavLM from torchaudio, with exits that stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from espnet_ee.errors import ConfigError, DataError
from espnet_ee.exits import Frames, batch_positions, check_exit_layers
from espnet_ee.host.encoder import EarlyExitEncoder
from espnet_ee.host.options import choose, options_of, per_block, refuse_unknown
from espnet_ee.nn.masks import padding_or_none
from espnet_ee.ssl.architectures import Architecture, find_architecture
from espnet_ee.ssl.backbone import Dropouts, build_backbone
from espnet_ee.ssl.loading import read_pretrained
from espnet_ee.ssl.masking import SpanMasks
from espnet_ee.ssl.sources import CHECKPOINT_FORMATS


class BlockContext(NamedTuple):
    """What all blocks share at one batch shape; each is None where there is no need of it."""

    attention_mask: Tensor | None  # (B, 1, T, T), -inf on padded keys; not for WavLM
    position_bias: Tensor | None  # (H, 2T-1), WavLM only
    padding: Tensor | None  # (B, T), true on padding, WavLM only


class EarlyExitSSLEncoder(EarlyExitEncoder):
    """Self-supervised encoder on the waveform, with exits.

    Parameters have torchaudio's names, so its state dictionaries are ours. A pre-trained
    checkpoint is read when training starts (``load_pretrained``), never to build the model: an
    experiment holds all weights and runs without it.

    Args:
        input_size: 1: it reads samples (``input_size: 1, frontend: null, normalize: null``).
        architecture: A name in ``espnet_ee.ssl.architectures``, or ``custom``; may be left out
            where ``checkpoint`` is a bundle.
        architecture_conf: Sizes that differ from it; of ``custom``, all.
        checkpoint: Bundle of torchaudio (``HUBERT_BASE``), file, or Hugging Face folder; none:
            random weights.
        checkpoint_format: ``auto``, ``torchaudio``, ``fairseq`` or ``huggingface``.
        num_blocks: Only so many of the lowest blocks; 0: all.
        exit_layers: 1-based blocks with an exit; the last block is always one.
        interctc_layer_idx: ESPnet's name for ``exit_layers``; give one of the two.
        layer_drop_rate: Probability that a whole block is left out in a training step, one for all
            or one per block.
        dropout_rate: Behind attention, feed-forward layers and the positional convolution.
        attention_dropout_rate: On attention weights.
        activation_dropout_rate: Inside feed-forward layers.
        projection_dropout_rate: On projected features.
        mask_prob: In training, share of frames that masked spans would cover without overlapping.
        mask_length: Frames per span.
        mask_channel_prob: The same for channels, which become zero.
        mask_channel_length: Channels per span.
        freeze_cnn: Whether the CNN stays as it is.
        normalize_waveform: Mean 0 and variance 1 over each utterance; None: as pre-trained.

    Raises:
        ConfigError: A value is out of range, or the option is unknown.
    """

    reads_samples = True

    def __init__(
        self,
        input_size: int,
        architecture: str = "",
        architecture_conf: Mapping[str, Any] | None = None,
        checkpoint: str | None = None,
        checkpoint_format: str = "auto",
        num_blocks: int = 0,
        exit_layers: Sequence[int] = (),
        interctc_layer_idx: Sequence[int] = (),
        layer_drop_rate: float | Sequence[float] = 0.0,
        dropout_rate: float = 0.1,
        attention_dropout_rate: float = 0.1,
        activation_dropout_rate: float = 0.0,
        projection_dropout_rate: float = 0.1,
        mask_prob: float = 0.0,
        mask_length: int = 10,
        mask_channel_prob: float = 0.0,
        mask_channel_length: int = 64,
        freeze_cnn: bool = True,
        normalize_waveform: bool | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        refuse_unknown(unknown, options_of(type(self)))
        choose("checkpoint_format", checkpoint_format, CHECKPOINT_FORMATS)
        _check_input_size(input_size)
        changes = dict(architecture_conf or {})
        if normalize_waveform is not None:
            changes["normalize_waveform"] = normalize_waveform
        self.checkpoint, self._format = checkpoint or "", checkpoint_format
        # Of the pre-trained network; this encoder may have fewer blocks.
        self.sizes = find_architecture(architecture, changes, self.checkpoint)
        self.num_blocks = num_blocks or self.sizes.encoder_num_layers
        _check_depth(self.num_blocks, self.sizes)
        self.exit_layers = check_exit_layers(exit_layers or interctc_layer_idx, self.num_blocks)
        self.drop_rates = per_block("layer_drop_rate", layer_drop_rate, self.num_blocks)
        self._masks = SpanMasks(mask_prob, mask_length, mask_channel_prob, mask_channel_length)
        dropouts = Dropouts(
            encoder_dropout=dropout_rate,
            encoder_attention_dropout=attention_dropout_rate,
            encoder_ff_interm_dropout=activation_dropout_rate,
            encoder_projection_dropout=projection_dropout_rate,
        )
        self._build(dropouts, freeze_cnn)
        self._weights_came = False
        self.register_load_state_dict_post_hook(_note_weights)

    def _build(self, dropouts: Dropouts, freeze_cnn: bool) -> None:
        backbone: Any = build_backbone(self.sizes, dropouts, self.num_blocks)
        self.feature_extractor = backbone.feature_extractor
        self.encoder = backbone.encoder
        embedding = nn.Parameter(torch.empty(self.output_size()).uniform_())
        self.register_parameter("mask_embedding", embedding if self._masks.mask_prob else None)
        self._cnn_is_frozen = freeze_cnn
        if freeze_cnn:
            self.feature_extractor.requires_grad_(False)

    # -- pre-trained weights -----------------------------------------------------------------

    def load_pretrained(self) -> None:
        """Read the checkpoint, where there is one; training calls this once, before it starts.

        Raises:
            CheckpointError: Missing, damaged, or of another network.
        """
        if not self.checkpoint:
            return
        states = read_pretrained(
            self.checkpoint, self._format, self.sizes, self.state_dict(), self.num_blocks
        )
        self.load_state_dict(states)

    def reload_pretrained_parameters(self) -> None:
        """ESPnet calls this after ``--init``, also where a trained experiment is only loaded.

        The checkpoint is read after that, when training starts, so nothing is lost.
        """
        self._weights_came = False

    # -- the walk ----------------------------------------------------------------------------

    def output_size(self) -> int:
        """Width ``D`` of hidden states."""
        return self.sizes.encoder_embed_dim

    @property
    def min_feature_frames(self) -> int:
        """The fewest samples an utterance may have."""
        return self.sizes.min_samples

    def train(self, mode: bool = True) -> EarlyExitSSLEncoder:
        """As any module; a frozen CNN stays in evaluation mode."""
        super().train(mode)
        if self._cnn_is_frozen:
            self.feature_extractor.eval()
        return self

    def stem_frames(self, features: Tensor, lengths: Tensor) -> Frames:
        """Everything before block 1: ``(B, N[, 1])`` samples, ``(B,)`` counts of them, to frames.

        The CNN sees one utterance at a time: group normalisation averages over time, and would
        average over the padding that other utterances bring.

        Raises:
            DataError: An utterance is too short to give one frame.
            ConfigError: Training would start from random weights though there is a checkpoint.
        """
        self._check_weights()
        if features.dim() == 3 and features.shape[2] == 1:  # ESPnet's added noise and rooms
            features = features[:, :, 0]
        _check_samples(features, lengths, self.min_feature_frames)
        rows = [self._convolve(row[:n]) for row, n in zip(features, lengths.tolist(), strict=True)]
        counts = torch.tensor([len(row) for row in rows], device=lengths.device)
        hidden = self.encoder.feature_projection(nn.utils.rnn.pad_sequence(rows, batch_first=True))
        if self.training:
            hidden = self._masks.apply(hidden, counts, self.mask_embedding)
        padding = padding_or_none(counts, hidden.shape[1])
        if padding is not None:  # the positional convolution looks over the end of an utterance
            hidden = hidden.masked_fill(padding[:, :, None], 0.0)
        transformer = self.encoder.transformer
        hidden = hidden + transformer.pos_conv_embed(hidden)
        if not self.sizes.encoder_layer_norm_first:
            hidden = transformer.layer_norm(hidden)
        return Frames(transformer.dropout(hidden), counts, batch_positions(hidden))

    def _convolve(self, samples: Tensor) -> Tensor:
        """``(N,)`` samples to ``(T, C)``."""
        if self.sizes.normalize_waveform:
            samples = functional.layer_norm(samples, samples.shape)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._cnn_is_frozen):
            return self.feature_extractor(samples[None], None)[0][0]

    def block_context(self, frames: Frames) -> BlockContext:
        """Padding and, for WavLM, the bias by relative position for the shape of ``frames``."""
        batch, longest = frames.hidden.shape[:2]
        padding = padding_or_none(frames.lengths, longest)
        if self.sizes.encoder_num_buckets:
            attention = self.encoder.transformer.layers[0].attention
            return BlockContext(None, attention.bias_by_distance(longest), padding)
        if padding is None:
            return BlockContext(None, None, None)
        mask = frames.hidden.new_zeros(batch, 1, 1, longest)
        mask = mask.masked_fill(padding[:, None, None, :], -torch.inf)
        return BlockContext(mask.expand(batch, 1, longest, longest), None, None)

    def run_block(self, layer: int, frames: Frames, context: BlockContext) -> Tensor:
        """``(B, T, D)`` after block ``layer``; in training the block may be dropped."""
        if self.drops(layer):
            return frames.hidden
        block = self.encoder.transformer.layers[layer - 1]
        hidden, _ = block(
            frames.hidden, context.attention_mask, context.position_bias, context.padding
        )
        return hidden

    def layer_modules(self, layer: int) -> list[nn.Module]:
        """Block ``layer``."""
        return [self.encoder.transformer.layers[layer - 1]]

    def exit_hidden(self, hidden: Tensor) -> Tensor:
        """The final normalisation of pre-norm models; post-norm blocks end in their own."""
        if self.sizes.encoder_layer_norm_first:
            return self.encoder.transformer.layer_norm(hidden)
        return hidden

    # -- cost --------------------------------------------------------------------------------

    def stem_flops(self, feature_frames: int) -> int:
        """FLOPs before block 1 for one utterance of so many samples."""
        return self.sizes.stem_flops(feature_frames)

    def block_flops(self, layer: int, frames: int) -> int:
        """FLOPs of any block for one utterance."""
        return self.sizes.block_flops(frames)

    def frames_of(self, feature_frames: int) -> int:
        """Frames behind the CNN of so many samples."""
        return self.sizes.frames_of(feature_frames)

    @property
    def frame_shift(self) -> int:
        """Samples from one frame behind the CNN to the next."""
        return self.sizes.frame_shift

    def _check_weights(self) -> None:
        if self.training and self.checkpoint and not self._weights_came:
            raise ConfigError(
                "training would start from random weights: nobody has read the checkpoint.",
                got=f"encoder_conf.checkpoint={self.checkpoint}",
                fix="train by python -m espnet_ee.bin.asr_train, or call "
                "model.encoder.load_pretrained() first",
            )


def _note_weights(encoder: Any, _incompatible_keys: Any) -> None:
    encoder._weights_came = True


def _check_input_size(input_size: int) -> None:
    if input_size != 1:
        raise ConfigError(
            "encoder ee_ssl reads the waveform, not features.",
            got=f"input_size={input_size}",
            want="input_size: 1",
            fix="input_size: 1, frontend: null, normalize: null, specaug: null",
        )


def _check_depth(num_blocks: int, sizes: Architecture) -> None:
    if not 1 <= num_blocks <= sizes.encoder_num_layers:
        raise ConfigError(
            "encoder_conf.num_blocks is not a depth of this architecture.",
            got=str(num_blocks),
            want=f"1 to {sizes.encoder_num_layers}, or 0 for all",
        )


def _check_samples(features: Tensor, lengths: Tensor, fewest: int) -> None:
    if features.ndim != 2:
        raise DataError(
            "encoder ee_ssl reads one channel of samples.",
            got=f"shape {tuple(features.shape)}",
            want="(B, N)",
        )
    if int(lengths.min()) < fewest:
        raise DataError(
            "an utterance is too short for the stem.",
            got=f"{int(lengths.min())} samples",
            want=f"at least {fewest}",
            fix="drop it, or join it to its neighbour",
        )
