"""How much audio a model was trained on, as far as its configuration and data folder tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_ee.data.audio import parse_rate
from espnet_ee.data.kaldi import read_table

_COPY = re.compile(r"^sp[\d.]+-")  # stage 2 names copies at other speeds so
_PERTURBED = "_sp"


@dataclass(frozen=True)
class TrainingSet:
    """A training set; None: unknown.

    Attributes:
        name: Of its folder.
        perturbed: Whether it has copies at other speeds.
        utterances: Copies included.
        hours: Copies included.
        speakers: Copies not counted.
    """

    name: str
    perturbed: bool
    utterances: int | None
    hours: float | None
    speakers: int | None


def training_set(config: Mapping[str, Any], folder: Path | None = None) -> TrainingSet | None:
    """What a configuration says, and the folder where it is there; None if neither says anything.

    Args:
        config: Of the training.
        folder: With ``utt2spk`` and ``utt2num_samples``; default: the one that was trained on.

    Raises:
        DataError: A table is damaged.
    """
    paths = [Path(entry[0]) for entry in config.get("train_data_path_and_name_and_type") or []]
    if folder is None and not paths:
        return None
    folder = folder or paths[0].parent
    speakers = _table(folder / "utt2spk")
    lengths = _table(folder / "utt2num_samples")
    rate = parse_rate(str((config.get("frontend_conf") or {}).get("fs", 16000)))
    return TrainingSet(
        name=folder.name,
        perturbed=folder.name.endswith(_PERTURBED),
        utterances=len(speakers) or len(lengths) or None,
        hours=sum(map(int, lengths.values())) / rate / 3600 if lengths else None,
        speakers=len({_COPY.sub("", name) for name in speakers.values()}) or None,
    )


def _table(path: Path) -> dict[str, str]:
    return read_table(path) if path.is_file() else {}
