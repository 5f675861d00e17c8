"""Synthetic checkpoints in the layouts of fairseq, Microsoft and Hugging Face, from our encoders.

Names are written out here by hand, not by the maps under test.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import types
from typing import Any

import torch


def put(states, name, module):
    for part in ("weight", "bias"):
        value = getattr(module, part, None)
        if value is not None:
            states[f"{name}.{part}"] = value.detach().clone()


def positional(states, name, conv, spelling):
    norm = conv.parametrizations.weight
    names = {
        "old": ("weight_g", "weight_v"),
        "new": ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    }[spelling]
    states[f"{name}.bias"] = conv.bias.detach().clone()
    states[f"{name}.{names[0]}"] = norm.original0.detach().clone()
    states[f"{name}.{names[1]}"] = norm.original1.detach().clone()


def attention(states, name, module, words):
    """Query, key and value apart; ``words`` are the format's names of WavLM's position terms."""
    if hasattr(module, "q_proj"):
        for part in "qkv":
            put(states, f"{name}.{part}_proj", getattr(module, f"{part}_proj"))
        put(states, f"{name}.out_proj", module.out_proj)
        return
    inner = module.attention
    for part, weight, bias in zip(
        "qkv", inner.in_proj_weight.chunk(3), inner.in_proj_bias.chunk(3), strict=True
    ):
        states[f"{name}.{part}_proj.weight"] = weight.detach().clone()
        states[f"{name}.{part}_proj.bias"] = bias.detach().clone()
    put(states, f"{name}.out_proj", inner.out_proj)
    embedding, linear, constant = words
    put(states, f"{name}.{linear}", module.gru_rel_pos_linear)
    states[f"{name}.{constant}"] = module.gru_rel_pos_const.detach().clone()
    if module.rel_attn_embed is not None:
        put(states, f"{name}.{embedding}", module.rel_attn_embed)


def fairseq_states(encoder, prefix="", spelling="old") -> dict[str, Any]:
    """As ``checkpoint["model"]`` of fairseq and of Microsoft's WavLM."""
    states: dict[str, Any] = {}
    place = "2" if encoder.sizes.extractor_mode == "group_norm" else "2.1"
    for index, layer in enumerate(encoder.feature_extractor.conv_layers):
        put(states, f"feature_extractor.conv_layers.{index}.0", layer.conv)
        if layer.layer_norm is not None:
            put(states, f"feature_extractor.conv_layers.{index}.{place}", layer.layer_norm)
    put(states, "layer_norm", encoder.encoder.feature_projection.layer_norm)
    put(states, "post_extract_proj", encoder.encoder.feature_projection.projection)
    transformer = encoder.encoder.transformer
    positional(states, "encoder.pos_conv.0", transformer.pos_conv_embed.conv, spelling)
    put(states, "encoder.layer_norm", transformer.layer_norm)
    words = ("relative_attention_bias", "grep_linear", "grep_a")
    for index, block in enumerate(transformer.layers):
        name = f"encoder.layers.{index}"
        attention(states, f"{name}.self_attn", block.attention, words)
        put(states, f"{name}.self_attn_layer_norm", block.layer_norm)
        put(states, f"{name}.fc1", block.feed_forward.intermediate_dense)
        put(states, f"{name}.fc2", block.feed_forward.output_dense)
        put(states, f"{name}.final_layer_norm", block.final_layer_norm)
    states["mask_emb"] = torch.full((encoder.output_size(),), 0.25)
    return {prefix + name: value for name, value in states.items()}


def convolution_formula(rows) -> str:
    """As fairseq writes: ``[(512,10,5)] + [(512,3,2)] * 4``."""
    runs = [(row, len(list(same))) for row, same in itertools.groupby(rows)]
    return " + ".join(
        f"[{row!s}]".replace(" ", "") + (f" * {n}" if n > 1 else "") for row, n in runs
    )


def fairseq_config(encoder) -> dict[str, Any]:
    """The ``cfg`` that fairseq saves, less what no one reads."""
    sizes = encoder.sizes
    model = {
        "_name": "hubert",
        "extractor_mode": "default" if sizes.extractor_mode == "group_norm" else "layer_norm",
        "encoder_layers": sizes.encoder_num_layers,
        "encoder_embed_dim": sizes.encoder_embed_dim,
        "encoder_ffn_embed_dim": sizes.encoder_ff_interm_features,
        "encoder_attention_heads": sizes.encoder_num_heads,
        "layer_norm_first": sizes.encoder_layer_norm_first,
        "conv_bias": sizes.extractor_conv_bias,
        "conv_feature_layers": convolution_formula(sizes.extractor_conv_layer_config),
        "conv_pos": sizes.encoder_pos_conv_kernel,
        "conv_pos_groups": sizes.encoder_pos_conv_groups,
    }
    return {"model": model, "task": {"normalize": sizes.normalize_waveform}}


def wavlm_config(encoder) -> dict[str, Any]:
    """Microsoft's ``cfg``: one flat dictionary."""
    config = fairseq_config(encoder)
    return {
        **config["model"],
        "normalize": encoder.sizes.normalize_waveform,
        "relative_position_embedding": True,
        "gru_rel_pos": True,
        "num_buckets": encoder.sizes.encoder_num_buckets,
        "max_distance": encoder.sizes.encoder_max_distance,
    }


def foreign(module: str, name: str) -> type:
    """A class of a package that is not installed; ``forget`` it before reading."""
    top = ""
    for part in module.split("."):
        top = f"{top}.{part}" if top else part
        sys.modules.setdefault(top, types.ModuleType(top))
    cls = type(name, (), {"__module__": module})
    setattr(sys.modules[module], name, cls)
    return cls


def forget(package: str) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        del sys.modules[name]


def save_fairseq(path, encoder, legacy: bool = False, arguments: bool = False) -> None:
    """A pre-training checkpoint with dictionaries of fairseq, and argparse or plain settings."""
    dictionary = foreign("fairseq.data.dictionary", "Dictionary")()
    dictionary.symbols, dictionary.count = ["<s>", "0"], [1, 2]
    config = fairseq_config(encoder)
    settings = argparse.Namespace(**config["model"], **config["task"]) if arguments else None
    extras = {
        "label_embs_concat": torch.zeros(4, 3),
        "final_proj.weight": torch.zeros(3, 16),
        "final_proj.bias": torch.zeros(3),
        "quantizer.vars": torch.zeros(1, 2, 3),
        "project_q.weight": torch.zeros(3, 3),
    }
    content = {
        "args": settings,
        "cfg": None if arguments else config,
        "model": {**fairseq_states(encoder), **extras},
        "optimizer_history": [{"optimizer_name": "FairseqAdam"}],
        "task_state": {"dictionaries": [dictionary]},
        "extra_state": {"epoch": 3},
    }
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    forget("fairseq")


def huggingface_states(encoder, prefix="", spelling="new") -> dict[str, Any]:
    """As ``save_pretrained`` of transformers writes."""
    states: dict[str, Any] = {}
    for index, layer in enumerate(encoder.feature_extractor.conv_layers):
        put(states, f"feature_extractor.conv_layers.{index}.conv", layer.conv)
        if layer.layer_norm is not None:
            put(states, f"feature_extractor.conv_layers.{index}.layer_norm", layer.layer_norm)
    put(states, "feature_projection.layer_norm", encoder.encoder.feature_projection.layer_norm)
    put(states, "feature_projection.projection", encoder.encoder.feature_projection.projection)
    transformer = encoder.encoder.transformer
    positional(states, "encoder.pos_conv_embed.conv", transformer.pos_conv_embed.conv, spelling)
    put(states, "encoder.layer_norm", transformer.layer_norm)
    words = ("rel_attn_embed", "gru_rel_pos_linear", "gru_rel_pos_const")
    for index, block in enumerate(transformer.layers):
        name = f"encoder.layers.{index}"
        attention(states, f"{name}.attention", block.attention, words)
        put(states, f"{name}.layer_norm", block.layer_norm)
        put(
            states, f"{name}.feed_forward.intermediate_dense", block.feed_forward.intermediate_dense
        )
        put(states, f"{name}.feed_forward.output_dense", block.feed_forward.output_dense)
        put(states, f"{name}.final_layer_norm", block.final_layer_norm)
    states["masked_spec_embed"] = torch.full((encoder.output_size(),), 0.25)
    return {prefix + name: value for name, value in states.items()}


def save_huggingface(folder, encoder, prefix="", spelling="new", shards=1) -> None:
    """A folder with ``config.json`` and ``pytorch_model.bin``, in parts if asked for."""
    sizes = encoder.sizes
    rows = list(zip(*sizes.extractor_conv_layer_config, strict=True))
    kind = "wavlm" if sizes.encoder_num_buckets else "hubert"
    config = {
        "model_type": kind,
        "hidden_size": sizes.encoder_embed_dim,
        "num_hidden_layers": sizes.encoder_num_layers,
        "num_attention_heads": sizes.encoder_num_heads,
        "intermediate_size": sizes.encoder_ff_interm_features,
        "do_stable_layer_norm": sizes.encoder_layer_norm_first,
        "feat_extract_norm": sizes.extractor_mode.removesuffix("_norm"),
        "conv_bias": sizes.extractor_conv_bias,
        "conv_dim": rows[0],
        "conv_kernel": rows[1],
        "conv_stride": rows[2],
        "num_conv_pos_embeddings": sizes.encoder_pos_conv_kernel,
        "num_conv_pos_embedding_groups": sizes.encoder_pos_conv_groups,
    }
    if kind == "wavlm":
        config["num_buckets"] = sizes.encoder_num_buckets
        config["max_bucket_distance"] = sizes.encoder_max_distance
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    states = huggingface_states(encoder, prefix, spelling)
    if shards == 1:
        torch.save(states, folder / "pytorch_model.bin")
        return
    names = [f"pytorch_model-{n + 1:05d}-of-{shards:05d}.bin" for n in range(shards)]
    weight_map = {key: names[n % shards] for n, key in enumerate(states)}
    for name in names:
        torch.save({k: states[k] for k in states if weight_map[k] == name}, folder / name)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
