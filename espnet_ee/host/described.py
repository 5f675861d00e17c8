"""The model that a file or folder describes, trained or not, for counting its costs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from espnet_ee.archive import META
from espnet_ee.errors import CheckpointError, ConfigError
from espnet_ee.host.checkpoint import (
    LoadedModel,
    build_model,
    find_checkpoint,
    load_model,
    read_settings,
    read_training_config,
)
from espnet_ee.host.pretrained import find_model
from espnet_ee.host.task import EarlyExitASRTask, check_config_keys
from espnet_ee.measured import RANDOM_WEIGHTS


def described_model(
    path: Path,
    tokens: Sequence[str] | None = None,
    weights: bool = False,
    device: str = "cpu",
    checkpoint: Path | None = None,
) -> LoadedModel:
    """The model of a training configuration, an experiment or a packed model.

    Args:
        path: A YAML file of options as ``--config`` of a training takes it, a ``config.yaml`` that
            a training wrote, an experiment folder, or a packed model, as a file or a folder.
        tokens: Of a model whose configuration has none.
        weights: Read them, where there are some.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        checkpoint: The weights, instead of those an experiment stands for.

    Returns:
        With ``RANDOM_WEIGHTS`` in place of a checksum where no weights were read.

    Raises:
        ConfigError: There is no such thing, it describes no early-exit model, or lacks tokens.
        CheckpointError: A packed model or its weights are damaged.
    """
    config, found = _files(path)
    checkpoint = checkpoint or found
    trained = _was_written_by_training(config)
    if trained and tokens is not None:
        raise ConfigError(
            f"{config} has a token list of its own.",
            fix="leave out --vocab-size and --token-list, or name the configuration of the options",
        )
    if weights and trained and checkpoint is not None:
        return load_model(config, checkpoint, device)
    args = read_training_config(config, find_files=False) if trained else _options(config, tokens)
    model = build_model(_without_files(args), config)
    return LoadedModel(model.to(device).eval(), args, config, config, RANDOM_WEIGHTS)


def _files(path: Path) -> tuple[Path, Path | None]:
    """Configuration and checkpoint, None where there is none."""
    if not path.exists():
        raise ConfigError(
            f"there is no {path}.",
            want="a configuration (.yaml), an experiment folder, or a packed model (.zip)",
        )
    if (path / META).is_file() or path.suffix == ".zip":
        return find_model(path)
    config = path / "config.yaml" if path.is_dir() else path
    try:
        return config, find_checkpoint(config.parent)
    except CheckpointError:
        return config, None


def _was_written_by_training(config: Path) -> bool:
    """Training writes the token list itself where options name a file."""
    return isinstance(read_settings(config, set()).get("token_list"), list)


def _options(config: Path, tokens: Sequence[str] | None) -> argparse.Namespace:
    """The options of a training that nobody started, ESPnet's defaults included."""
    parser: Any = EarlyExitASRTask.get_parser()
    words = ["--config", str(config), "--output_dir", "none"]
    check_config_keys(parser, words)

    def refuse(message: str) -> NoReturn:  # argparse would print every option of ESPnet
        raise ConfigError(f"configuration {config} has a wrong value.", got=message)

    parser.error = refuse
    args: argparse.Namespace = parser.parse_args(words)
    args.token_list = list(tokens) if tokens is not None else args.token_list
    if not args.token_list:
        raise ConfigError(
            f"{config} has no token list, so the size of the heads is unknown.",
            want="a vocabulary size, or a file with a token on each line",
            fix="--vocab-size 500 or --token-list data/token_list/char/tokens.txt",
        )
    return args


def _without_files(args: argparse.Namespace) -> argparse.Namespace:
    """Leave out what trainings read from files and no cost depends on."""
    if args.normalize == "global_mvn":  # two vectors of statistics, no parameters
        args.normalize, args.normalize_conf = "utterance_mvn", {}
    args.token_type, args.bpemodel = "char", None
    return args
