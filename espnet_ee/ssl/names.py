"""Parameter names: ours, which are torchaudio's, in the files of fairseq and Hugging Face.

The map runs from our names to theirs: one of our parameters is made of one of theirs, or of three
(WavLM's query, key and value, which torchaudio keeps in one matrix).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

FORMATS = ("torchaudio", "fairseq", "huggingface")

MASK_EMBEDDING = "mask_embedding"

# A parameter that every checkpoint of a format has; what stands before it is the file's prefix.
PROBES = {
    "torchaudio": "encoder.feature_projection.projection.weight",
    "fairseq": "feature_extractor.conv_layers.0.0.weight",
    "huggingface": "feature_projection.projection.weight",
}

# Beginnings of names that an encoder has no use for, with the reason. Anything else is an error.
LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "torchaudio": {
        "aux.": "CTC head of a fine-tuned bundle",
        "logit_generator.": "classifier of HuBERT's pre-training",
        "ctc.": "CTC head of a trained experiment",
        "exit_heads.": "exit heads of a trained experiment",
        "decoder.": "attention decoder of a trained experiment",
        "exit_attention.": "attention decoders of a trained experiment",
        "weighting.": "learned loss weights of a trained experiment",
        "schedule.": "step count of a trained experiment",
        "mask_embedding": "this encoder does not mask",
    },
    "fairseq": {
        "quantizer.": "codebooks of wav2vec 2.0's pre-training",
        "project_q.": "target projection of wav2vec 2.0's pre-training",
        "target_glu.": "target projection of pre-training",
        "final_proj.": "output projection of pre-training",
        "label_embs_concat": "label embeddings of HuBERT's pre-training",
        "_ema": "moving average kept by pre-training",
        "ema.": "moving average kept by pre-training",
        "w2v_encoder.proj.": "CTC head of a fine-tuned model",
        "proj.": "CTC head of a fine-tuned model",
        "mask_emb": "this encoder does not mask",
    },
    "huggingface": {
        "quantizer.": "codebooks of wav2vec 2.0's pre-training",
        "project_q.": "target projection of wav2vec 2.0's pre-training",
        "project_hid.": "output projection of wav2vec 2.0's pre-training",
        "lm_head.": "CTC head of a fine-tuned model",
        "masked_spec_embed": "this encoder does not mask",
    },
}

_FAIRSEQ_RULES = (
    (
        r"feature_extractor\.conv_layers\.(\d+)\.conv\.(.+)",
        r"feature_extractor.conv_layers.\1.0.\2",
    ),
    (r"encoder\.feature_projection\.layer_norm\.(.+)", r"layer_norm.\1"),
    (r"encoder\.feature_projection\.projection\.(.+)", r"post_extract_proj.\1"),
    (r"encoder\.transformer\.pos_conv_embed\.conv\.(.+)", r"encoder.pos_conv.0.\1"),
    (r"encoder\.transformer\.layer_norm\.(.+)", r"encoder.layer_norm.\1"),
    (r"(.+)\.attention\.attention\.(\w+_proj.*)", r"\1.attention.\2"),
    (r"(.+)\.attention\.rel_attn_embed\.(.+)", r"\1.attention.relative_attention_bias.\2"),
    (r"(.+)\.attention\.gru_rel_pos_linear\.(.+)", r"\1.attention.grep_linear.\2"),
    (r"(.+)\.attention\.gru_rel_pos_const", r"\1.attention.grep_a"),
    (r"(.+layers\.\d+)\.attention\.(.+)", r"\1.self_attn.\2"),
    (r"(.+layers\.\d+)\.layer_norm\.(.+)", r"\1.self_attn_layer_norm.\2"),
    (r"(.+)\.feed_forward\.intermediate_dense\.(.+)", r"\1.fc1.\2"),
    (r"(.+)\.feed_forward\.output_dense\.(.+)", r"\1.fc2.\2"),
    (r"encoder\.transformer\.layers\.(.+)", r"encoder.layers.\1"),
    (MASK_EMBEDDING, "mask_emb"),
)

_HUGGINGFACE_RULES = (
    (r"encoder\.feature_projection\.(.+)", r"feature_projection.\1"),
    (r"encoder\.transformer\.(.+)", r"encoder.\1"),
    (r"(.+)\.attention\.attention\.(\w+_proj.*)", r"\1.attention.\2"),
    (MASK_EMBEDDING, "masked_spec_embed"),
)


def their_names(kind: str, extractor_mode: str) -> Callable[[str], tuple[str, ...]]:
    """A function from one of our names to those of a format, whose values are joined along rows.

    Args:
        kind: One of ``FORMATS``.
        extractor_mode: Fairseq's names of the CNN's normalisations depend on it.
    """

    def translate(ours: str) -> tuple[str, ...]:
        if kind == "torchaudio":
            return (ours,)
        if kind == "huggingface":
            return _split_projections(_apply(_HUGGINGFACE_RULES, ours))
        # Fp32GroupNorm is the third module of the first layer; Fp32LayerNorm lies between two
        # transpositions.
        place = "2" if extractor_mode == "group_norm" else "2.1"
        norm = (
            r"feature_extractor\.conv_layers\.(\d+)\.layer_norm\.(.+)",
            rf"feature_extractor.conv_layers.\1.{place}.\2",
        )
        if re.fullmatch(norm[0], ours):
            return (re.sub(*norm, ours),)
        return _split_projections(_apply(_FAIRSEQ_RULES, ours))

    return translate


def unify_weight_norm(name: str) -> str:
    """The positional convolution's weight normalisation, in the spelling of recent torch."""
    for old, new in (("weight_g", "original0"), ("weight_v", "original1")):
        name = re.sub(rf"(pos_conv\w*\..*)\b{old}$", rf"\1parametrizations.weight.{new}", name)
    return name


def _apply(rules: tuple[tuple[str, str], ...], name: str) -> str:
    """Every rule that matches the whole name, in order."""
    for pattern, replacement in rules:
        if re.fullmatch(pattern, name):
            name = re.sub(pattern, replacement, name)
    return name


def _split_projections(name: str) -> tuple[str, ...]:
    """``in_proj_weight`` is query, key and value."""
    match = re.fullmatch(r"(.+)\.in_proj_(weight|bias)", name)
    if match is None:
        return (name,)
    return tuple(f"{match.group(1)}.{part}_proj.{match.group(2)}" for part in "qkv")
