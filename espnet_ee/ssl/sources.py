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
from espnet_ee.ssl.safe_pickle import read_torch
from espnet_ee.ssl.settings import fairseq_settings, huggingface_settings

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
