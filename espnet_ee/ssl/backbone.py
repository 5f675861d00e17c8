"""torchaudio's modules of an architecture."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import nn

from espnet_ee.ssl.architectures import Architecture


@dataclass(frozen=True)
class Dropouts:
    """Dropout rates in training.

    Attributes:
        encoder_dropout: Behind attention, the feed-forward layer and the positional convolution.
        encoder_attention_dropout: On attention weights.
        encoder_ff_interm_dropout: Inside the feed-forward layer.
        encoder_projection_dropout: On the projected features.
    """

    encoder_dropout: float
    encoder_attention_dropout: float
    encoder_ff_interm_dropout: float
    encoder_projection_dropout: float


def build_backbone(sizes: Architecture, dropouts: Dropouts, num_blocks: int) -> nn.Module:
    """The lowest blocks of torchaudio's ``Wav2Vec2Model``: random weights and no head."""
    from torchaudio.models import wav2vec2_model, wavlm_model  # heavy

    options = {**asdict(sizes), **asdict(dropouts), "encoder_layer_drop": 0.0, "aux_num_out": None}
    options["encoder_num_layers"] = num_blocks
    options["extractor_conv_layer_config"] = list(sizes.extractor_conv_layer_config)
    del options["normalize_waveform"]
    if sizes.encoder_num_buckets:
        from espnet_ee.ssl.wavlm import chunk_attention  # heavy

        model: nn.Module = wavlm_model(**options)
        chunk_attention(model)
        return model
    del options["encoder_num_buckets"], options["encoder_max_distance"]
    return wav2vec2_model(**options)  # type: ignore[no-any-return]
