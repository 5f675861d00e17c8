"""An experiment folder to a model, strictly: every key is there, fits, and is used."""

from __future__ import annotations

import argparse
import logging
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from espnet_ee.data.files import sha256_of
from espnet_ee.errors import CheckpointError, ConfigError
from espnet_ee.host import registry  # noqa: F401  (registers our classes)
from espnet_ee.host.compat import ASRTask, espnet_version
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.host.task import EarlyExitASRTask
from espnet_ee.spelling import nearest
from espnet_ee.state_keys import key_differences

logger = logging.getLogger(__name__)

# Written by training beside the options.
RUNTIME_KEYS = {"version", "distributed", "required"}
PREFERRED = (
    "valid.cer_ctc.ave.pth",
    "valid.cer_ctc.best.pth",
    "valid.cer_exits.ave.pth",
    "valid.cer_exits.best.pth",
)


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to run and where it came from."""

    model: EarlyExitASRModel
    args: argparse.Namespace
    config: Path
    checkpoint: Path
    sha256: str


def find_checkpoint(exp: Path) -> Path:
    """The checkpoint that an experiment folder stands for: n-best average, else best, else latest.

    Raises:
        CheckpointError: There is none.
    """
    candidates = [exp / name for name in PREFERRED]
    for pattern in ("valid.*.ave.pth", "valid.*.best.pth", "latest.pth"):
        candidates += sorted(exp.glob(pattern))
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise CheckpointError(
        f"no checkpoint in {exp}.",
        want=f"{PREFERRED[0]} or another *.ave.pth, *.best.pth or latest.pth",
        fix="train first (./run.sh --stage 11), or name one",
    )


def load_model(config: Path, checkpoint: Path, device: str = "cpu") -> LoadedModel:
    """Build the model of ``config`` and load ``checkpoint`` into it.

    Raises:
        ConfigError: The configuration is missing, damaged or has unknown keys.
        CheckpointError: The checkpoint is missing, damaged, or of another model.
    """
    args = read_training_config(config)
    model = build_model(args, config)
    states = read_states(checkpoint)
    check_states(states, model.state_dict(), checkpoint)
    model.load_state_dict(states)
    model.to(device).eval()
    return LoadedModel(model, args, config, checkpoint, sha256_of(checkpoint))


def read_training_config(config: Path, find_files: bool = True) -> argparse.Namespace:
    """``config.yaml`` of an experiment, with paths that hold from any working directory.

    Args:
        config: The file.
        find_files: False leaves the paths in it as they are, for who does not read them.

    Raises:
        ConfigError: Missing, or not a training configuration.
    """
    required = {"encoder", "encoder_conf", "model", "model_conf", "token_list", "token_type"}
    settings = read_settings(config, required)
    _check_keys(settings, config)
    if not find_files:
        return argparse.Namespace(**settings)
    # Training writes paths relative to the recipe folder.
    for holder, key in (
        (settings, "bpemodel"),
        (settings.get("normalize_conf") or {}, "stats_file"),
    ):
        if holder.get(key):
            holder[key] = str(_from_recipe(Path(holder[key]), config))
    return argparse.Namespace(**settings)


def read_settings(config: Path, required: set[str]) -> dict[str, Any]:
    """What training wrote to its ``config.yaml``.

    Raises:
        ConfigError: Missing, no YAML, or without ``required`` keys.
    """
    try:
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"configuration {config} does not exist.", want="config.yaml written by training"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {config} is not YAML.", got=str(error)) from error
    if not isinstance(settings or {}, dict):
        raise ConfigError(
            f"{config} is not a training configuration.",
            got=type(settings).__name__,
            want="key: value lines",
        )
    missing = required - set(settings or {})
    if missing:
        raise ConfigError(
            f"{config} is not a training configuration.", got=f"no {', '.join(sorted(missing))}"
        )
    return dict(settings or {})


def _check_keys(settings: dict[str, Any], config: Path) -> None:
    """Compare with what training writes; another ESPnet release may write other keys."""
    known = {action.dest for action in EarlyExitASRTask.get_parser()._actions} | RUNTIME_KEYS
    unknown = [f"{key}{nearest(key, known)}" for key in settings if key not in known]
    if not unknown:
        return
    if str(settings.get("version")) != espnet_version():
        logger.warning("%s has keys of another ESPnet: %s", config, ", ".join(unknown))
        return
    raise ConfigError(
        f"{config} has keys that no option reads.", got=", ".join(unknown), fix="remove them"
    )


def build_model(args: argparse.Namespace, config: Path) -> EarlyExitASRModel:
    """The model that ``args`` describes, with random weights.

    Raises:
        ConfigError: An option is unknown, or this is not an early-exit model.
    """
    if args.model not in registry.MODELS:
        raise ConfigError(
            f"{config} does not describe an early-exit model.",
            got=f"model: {args.model}",
            want=" or ".join(registry.MODELS),
        )
    try:
        return ASRTask.build_model(args)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{config} names a file that is not there.", got=str(error.filename)
        ) from error
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ConfigError(f"the model of {config} cannot be built.", got=str(error)) from error


def read_states(checkpoint: Path) -> dict[str, Any]:
    """The state dictionary in a file.

    Raises:
        CheckpointError: Missing, truncated, or not a state dictionary.
    """
    if not checkpoint.exists():
        raise CheckpointError(f"checkpoint {checkpoint} does not exist.")
    try:
        states = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{checkpoint} holds more than model weights, or is damaged.",
            got=str(error).splitlines()[0][:120],
            fix="name weights, e.g. latest.pth; checkpoint.pth is the state of a training",
        ) from error
    except (RuntimeError, EOFError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]  # an EOFError says nothing
        raise CheckpointError(
            f"checkpoint {checkpoint} cannot be read; it is damaged or was not written to the end.",
            got=f"{checkpoint.stat().st_size} bytes; {reason[:120]}",
            fix="copy it again, or train again",
        ) from error
    states = states.get("model", states) if isinstance(states, dict) else None
    if not isinstance(states, dict) or not all(torch.is_tensor(v) for v in states.values()):
        raise CheckpointError(f"{checkpoint} holds no model weights.")
    return states


def check_states(found: dict[str, Any], wanted: dict[str, Any], checkpoint: Path) -> None:
    """Compare names and shapes.

    Raises:
        CheckpointError: They differ; the message lists how.
    """
    shapes = [
        f"{key}: {tuple(found[key].shape)} in the file, {tuple(wanted[key].shape)} in the model"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if not (shapes or missing or extra):
        return
    differences = key_differences(missing, extra, shapes)
    fix = "use the config.yaml that lies beside the checkpoint"
    if any(line.startswith("ctc.ctc_lo") for line in shapes):
        found_size, size = len(found["ctc.ctc_lo.weight"]), len(wanted["ctc.ctc_lo.weight"])
        fix = f"the file has a vocabulary of {found_size} tokens, the configuration {size}; {fix}"
    raise CheckpointError(f"checkpoint {checkpoint} is of another model.", got=differences, fix=fix)


def _from_recipe(path: Path, config: Path) -> Path:
    """A path of the configuration, from one of the folders above the experiment or from here."""
    for folder in (*config.resolve().parents, Path()):
        if (folder / path).exists():
            return folder / path
    raise ConfigError(
        f"{config} names a file that is not there.",
        got=str(path),
        want="a path from here, or from a folder above the experiment",
        fix="run from the recipe's folder, or put the file there",
    )
