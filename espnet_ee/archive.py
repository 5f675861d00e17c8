"""A packed model (recipe stage 14, ``espnet2.bin.pack``): its files, out whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from espnet_ee.data.files import disk_error
from espnet_ee.errors import CheckpointError

META = "meta.yaml"


class ModelFiles(NamedTuple):
    """What a model is read from."""

    config: Path
    checkpoint: Path


@contextmanager
def unpacked(archive: Path, parent: Path) -> Iterator[Path]:
    """A temporary folder below ``parent`` with the archive's files; rename it to keep it.

    Raises:
        CheckpointError: The archive is missing, damaged or holds no model.
        DataError: The disk is full.
    """
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=".unpack") as work:
        inside = Path(work) / "model"
        try:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(inside)
        except (zipfile.BadZipFile, EOFError, FileNotFoundError) as error:
            raise damaged(archive, str(error)) from error
        except OSError as error:
            raise disk_error(error, f"unpacking {archive}", parent) from error
        model_files(inside, archive)
        yield inside


def replace_member(archive: Path, name: str, content: bytes) -> None:
    """Put a file into an archive, instead of the one of that name; the archive changes whole.

    Raises:
        CheckpointError: It is missing or damaged.
        DataError: The disk is full.
    """
    changed = archive.with_name(f".{archive.name}.tmp")
    try:
        with zipfile.ZipFile(archive) as old, zipfile.ZipFile(changed, "w") as new:
            for info in old.infolist():
                if info.filename != name:
                    with old.open(info) as source, new.open(info, "w") as target:
                        shutil.copyfileobj(source, target)
            new.writestr(name, content)
        changed.replace(archive)
    except (zipfile.BadZipFile, EOFError, FileNotFoundError) as error:
        raise damaged(archive, str(error)) from error
    except OSError as error:
        raise disk_error(error, f"writing {archive}", archive.parent) from error
    finally:
        changed.unlink(missing_ok=True)


def read_meta(folder: Path, archive: Path) -> dict[str, Any]:
    """What ``meta.yaml`` says.

    Raises:
        CheckpointError: It is missing or says no model's files.
    """
    try:
        meta: dict[str, Any] = yaml.safe_load((folder / META).read_text(encoding="utf-8"))
        _ = meta["yaml_files"]["asr_train_config"], meta["files"]["asr_model_file"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise damaged(archive, f"{META}: {error}") from error
    return meta


def model_files(folder: Path, archive: Path) -> ModelFiles:
    """Where in ``folder`` the files of ``meta.yaml`` are.

    Raises:
        CheckpointError: They are not there.
    """
    meta = read_meta(folder, archive)
    names = meta["yaml_files"]["asr_train_config"], meta["files"]["asr_model_file"]
    config, checkpoint = (folder / str(name).lstrip("/") for name in names)
    missing = [str(path.name) for path in (config, checkpoint) if not path.is_file()]
    if missing:
        raise damaged(archive, f"no {', '.join(missing)}")
    return ModelFiles(config, checkpoint)


def read_model_config(folder: Path, archive: Path) -> dict[str, Any]:
    """The configuration of the model in ``folder``.

    Raises:
        CheckpointError: It is missing, or lacks what every model's has.
    """
    path = model_files(folder, archive).config
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise damaged(archive, f"{path.name}: {error}") from error
    config = config if isinstance(config, dict) else {}
    lacking = [key for key in ("encoder", "token_list", "token_type") if key not in config]
    if lacking:
        raise damaged(archive, f"{path.name} without {', '.join(lacking)}")
    return config


def damaged(archive: Path, got: str) -> CheckpointError:
    """The error for what is no packed model."""
    return CheckpointError(
        f"{archive} is not a packed model.",
        got=got,
        want="a .zip of recipe stage 14 or of espnet2.bin.pack asr",
        fix="copy it again, or pack it again",
    )
