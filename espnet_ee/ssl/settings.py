"""What checkpoints tell about their networks, in the words of ``Architecture``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet_ee.errors import CheckpointError
from espnet_ee.ssl.safe_pickle import plain


def huggingface_settings(config: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """``config.json`` of Wav2Vec2, HuBERT or WavLM models in our words.

    Raises:
        CheckpointError: Another kind of model.
    """
    kinds = ("hubert", "wav2vec2", "wavlm")
    if config.get("model_type") not in kinds:
        raise CheckpointError(
            f"{path} describes another kind of model.",
            got=f"model_type={config.get('model_type')!r}",
            want=" or ".join(kinds),
        )
    settings = {
        "encoder_embed_dim": config.get("hidden_size"),
        "encoder_num_layers": config.get("num_hidden_layers"),
        "encoder_num_heads": config.get("num_attention_heads"),
        "encoder_ff_interm_features": config.get("intermediate_size"),
        "encoder_layer_norm_first": config.get("do_stable_layer_norm"),
        "extractor_conv_bias": config.get("conv_bias"),
        "encoder_pos_conv_kernel": config.get("num_conv_pos_embeddings"),
        "encoder_pos_conv_groups": config.get("num_conv_pos_embedding_groups"),
    }
    if "feat_extract_norm" in config:
        settings["extractor_mode"] = f"{config['feat_extract_norm']}_norm"
    rows = [config.get(f"conv_{part}") for part in ("dim", "kernel", "stride")]
    if all(rows):
        settings["extractor_conv_layer_config"] = tuple(zip(*rows, strict=True))
    wavlm = config["model_type"] == "wavlm"
    settings["encoder_num_buckets"] = config.get("num_buckets") if wavlm else 0
    settings["encoder_max_distance"] = config.get("max_bucket_distance") if wavlm else None
    return {key: value for key, value in settings.items() if value is not None}


# Of the pre-trained network; fairseq's default of extractor_mode is its name for group_norm.
_FAIRSEQ_NAMES = {
    "encoder_embed_dim": "encoder_embed_dim",
    "encoder_num_layers": "encoder_layers",
    "encoder_num_heads": "encoder_attention_heads",
    "encoder_ff_interm_features": "encoder_ffn_embed_dim",
    "encoder_layer_norm_first": "layer_norm_first",
    "extractor_conv_bias": "conv_bias",
    "encoder_pos_conv_kernel": "conv_pos",
    "encoder_pos_conv_groups": "conv_pos_groups",
}


def fairseq_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """What ``cfg`` or ``args`` of a fairseq file tells, in our words; old files tell less."""
    told = plain(content.get("cfg") or content.get("args"))
    config: dict[str, Any] = told if isinstance(told, dict) else {}
    network = _inner(config, "model")
    while isinstance(network.get("w2v_args"), dict):  # a fine-tuned model holds its pre-training's
        network = _inner(network["w2v_args"], "model")
    settings = {ours: network.get(theirs) for ours, theirs in _FAIRSEQ_NAMES.items()}
    if "extractor_mode" in network:
        mode = str(network["extractor_mode"])
        settings["extractor_mode"] = "layer_norm" if mode.endswith("layer_norm") else "group_norm"
    if isinstance(network.get("conv_feature_layers"), str):
        settings["extractor_conv_layer_config"] = _convolutions(network["conv_feature_layers"])
    if network.get("relative_position_embedding"):
        settings["encoder_num_buckets"] = network.get("num_buckets")
        settings["encoder_max_distance"] = network.get("max_distance")
    task = _inner(config, "task")
    settings["normalize_waveform"] = task.get("normalize", network.get("normalize"))
    return {key: value for key, value in settings.items() if value is not None}


def _inner(config: dict[str, Any], key: str) -> dict[str, Any]:
    """The part of a nested configuration, or a flat configuration itself."""
    part = config.get(key)
    return part if isinstance(part, dict) else config


def _convolutions(formula: str) -> tuple[tuple[int, int, int], ...] | None:
    """``[(512,10,5)] + [(512,3,2)] * 4`` as rows, without ``eval``; None of anything else."""

    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return value(node.left) + value(node.right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            return value(node.left) * value(node.right)
        return ast.literal_eval(node)

    try:
        return tuple(value(ast.parse(formula, mode="eval").body))
    except (SyntaxError, ValueError, TypeError):
        return None
