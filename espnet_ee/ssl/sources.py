"""A checkpoint as it lies somewhere: a file, a folder or a bundle; its weights and its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from espnet_ee.errors import CheckpointError, ConfigError
from espnet_ee.spelling import nearest
from espnet_ee.ssl.architectures import BUNDLES
from espnet_ee.ssl.names import FORMATS, PROBES
from espnet_ee.ssl.safe_pickle import plain, read_torch

CHECKPOINT_FORMATS = ("auto", *FORMATS)
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True)
class Source:
    """What was found.

    Attributes:
        name: Path or bundle, for messages.
        kind: One of ``FORMATS``.
        states: Parameter names, in the file's spelling, to tensors.
        settings: Fields of ``Architecture`` that the file tells, and their values.
    """

    name: str
    kind: str
    states: Mapping[str, Tensor]
    settings: Mapping[str, Any]


def open_checkpoint(checkpoint: str, checkpoint_format: str) -> Source:
    """Read a checkpoint.

    Args:
        checkpoint: A file, a Hugging Face folder, or a bundle of ``torchaudio.pipelines``.
        checkpoint_format: One of ``CHECKPOINT_FORMATS``.

    Raises:
        CheckpointError: Missing, damaged, or of another format.
        ConfigError: A bundle that torchaudio does not have.
    """
    path = Path(checkpoint)
    if path.is_dir():
        _expect(checkpoint, checkpoint_format, "huggingface")
        return _open_folder(path)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return _open_file(path, checkpoint_format)
    _expect(checkpoint, checkpoint_format, "torchaudio")
    return _open_bundle(checkpoint)


def _expect(checkpoint: str, asked: str, found: str) -> None:
    if asked not in ("auto", found):
        raise CheckpointError(
            f"checkpoint {checkpoint} is not of the format that was asked for.",
            got=f"checkpoint_format={asked}, but this is {found}",
            fix="checkpoint_format: auto",
        )


def _open_bundle(name: str) -> Source:
    if name not in BUNDLES:
        raise ConfigError(
            "encoder_conf.checkpoint is neither a file, a folder, nor a bundle of torchaudio.",
            got=repr(name) + nearest(name, BUNDLES),
            want="a path, or one of " + ", ".join(BUNDLES),
        )
    import torchaudio  # heavy

    try:
        model = getattr(torchaudio.pipelines, name).get_model()
    except OSError as error:  # urllib's errors are OSErrors
        raise CheckpointError(
            f"bundle {name} cannot be downloaded.",
            got=str(error),
            fix="download it where there is a network, and give the path of the .pth file "
            f"and architecture={BUNDLES[name]}",
        ) from error
    return Source(name, "torchaudio", model.state_dict(), {})


def _open_file(path: Path, asked: str) -> Source:
    if path.suffix == ".safetensors":
        raise CheckpointError(
            f"checkpoint {path} is one file of a Hugging Face folder.",
            want="the folder, which holds config.json too",
            fix=f"checkpoint: {path.parent}",
        )
    content = read_torch(path)
    states = content
    if isinstance(content, dict):
        states = next((content[k] for k in ("model", "state_dict") if k in content), content)
    kind = kind_of(states, path)
    _expect(str(path), asked, kind)
    settings = fairseq_settings(content) if kind == "fairseq" else {}
    return Source(str(path), kind, states, settings)


def kind_of(states: Any, path: Path) -> str:
    """The format that parameter names betray.

    Raises:
        CheckpointError: None.
    """
    if isinstance(states, dict) and states and all(isinstance(v, Tensor) for v in states.values()):
        # In this order: torchaudio's probe ends like that of Hugging Face.
        for kind in FORMATS:
            if any(key.endswith(PROBES[kind]) for key in states):
                return kind
        got = ", ".join(list(states)[:3]) + ", ..."
    else:
        got = f"a {type(states).__name__} that is no state dictionary"
    raise CheckpointError(
        f"checkpoint {path} is not of a wav2vec 2.0, HuBERT or WavLM model.",
        got=got,
        want="parameters such as " + " or ".join(PROBES.values()),
    )


def _open_folder(folder: Path) -> Source:
    config = folder / "config.json"
    if not config.is_file():
        raise CheckpointError(
            f"checkpoint folder {folder} has no config.json.",
            got=", ".join(sorted(path.name for path in folder.iterdir())[:6]) or "an empty folder",
            want=f"config.json and {' or '.join(WEIGHT_FILES)}",
        )
    try:
        settings = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{config} is not JSON.", got=str(error)) from error
    states: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        states.update(_read_weights(file))
    kind = kind_of(states, folder)
    if kind != "huggingface":
        raise CheckpointError(f"the weights in {folder} are not in Hugging Face's names.", got=kind)
    return Source(str(folder), kind, states, huggingface_settings(settings, config))


def _weight_files(folder: Path) -> list[Path]:
    """The file of weights, or the parts that an index lists."""
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            parts = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            return [folder / part for part in sorted(set(parts))]
    raise CheckpointError(
        f"checkpoint folder {folder} has no weights.",
        got=", ".join(sorted(path.name for path in folder.iterdir())[:6]),
        want=" or ".join(WEIGHT_FILES),
    )


def _read_weights(file: Path) -> Mapping[str, Tensor]:
    if file.suffix != ".safetensors":
        states: Mapping[str, Tensor] = read_torch(file)
        return states
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise CheckpointError(
            f"reading {file} needs the package safetensors.",
            fix="pip install 'espnet-ee[huggingface]'",
        ) from error
    try:
        return load_file(file)  # type: ignore[no-any-return]
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"checkpoint {file} cannot be read; it is damaged or was not written to the end.",
            got=f"{file.stat().st_size if file.exists() else 0} bytes; {str(error)[:120]}",
            fix="download or copy it again",
        ) from error


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
    config = plain(content.get("cfg") or content.get("args"))
    config = config if isinstance(config, dict) else {}
    network = config.get("model") if isinstance(config.get("model"), dict) else config
    while isinstance(network.get("w2v_args"), dict):  # a fine-tuned model holds its pre-training's
        network = network["w2v_args"]
        network = network["model"] if isinstance(network.get("model"), dict) else network
    settings = {ours: network.get(theirs) for ours, theirs in _FAIRSEQ_NAMES.items()}
    if "extractor_mode" in network:
        mode = str(network["extractor_mode"])
        settings["extractor_mode"] = "layer_norm" if mode.endswith("layer_norm") else "group_norm"
    if network.get("relative_position_embedding"):
        settings["encoder_num_buckets"] = network.get("num_buckets")
        settings["encoder_max_distance"] = network.get("max_distance")
    task = config.get("task") if isinstance(config.get("task"), dict) else config
    settings["normalize_waveform"] = task.get("normalize", network.get("normalize"))
    return {key: value for key, value in settings.items() if value is not None}
