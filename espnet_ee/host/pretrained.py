"""A packed model (recipe stage 14, ``espnet2.bin.pack``) or a model of a hub to its two files."""

from __future__ import annotations

import os
from pathlib import Path

from espnet_ee.archive import META, ModelFiles, model_files, unpacked
from espnet_ee.data.files import disk_error, sha256_of
from espnet_ee.errors import ConfigError
from espnet_ee.host.checkpoint import find_checkpoint


def find_model(name: str | Path) -> ModelFiles:
    """The files of an experiment folder, a packed model or a hub's model.

    Args:
        name: A folder with ``config.yaml`` (an experiment) or ``meta.yaml`` (a model of a hub, as
            ``espnet-ee upload`` writes it), a ``.zip`` of stage 14, or a hub's tag ``USER/MODEL``.

    Raises:
        ConfigError: There is no such thing, or the hub cannot be asked.
        CheckpointError: The archive is damaged or holds no model.
    """
    path = Path(name)
    if (path / META).is_file():
        return model_files(path, path)
    if path.is_dir():
        return ModelFiles(path / "config.yaml", find_checkpoint(path))
    if path.is_file():
        return unpack(path, cache_folder())
    return _from_hub(str(name))


def cache_folder() -> Path:
    """Where packed models are unpacked: below ``$XDG_CACHE_HOME``, else ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "espnet_ee"


def unpack(archive: Path, cache: Path) -> ModelFiles:
    """Unpack once, under the archive's hash; paths inside are those of its recipe's folder.

    Raises:
        CheckpointError: The archive is damaged or holds no model.
    """
    folder = cache / sha256_of(archive)[:16]
    if not folder.exists():
        with unpacked(archive, cache) as inside:
            try:
                inside.rename(folder)
            except OSError as error:
                if not folder.exists():  # else another process was quicker
                    raise disk_error(error, f"unpacking {archive}", cache) from error
    return model_files(folder, archive)


def _from_hub(tag: str) -> ModelFiles:
    """Ask the hub that ESPnet asks, through its own downloader."""
    try:
        from espnet_model_zoo.downloader import ModelDownloader  # type: ignore[import-not-found]
    except ImportError as error:
        raise ConfigError(
            f"there is no {tag}.",
            want="an experiment folder, a packed model, or USER/MODEL of a hub",
            fix="for models of a hub: pip install 'espnet-ee[hub]'",
        ) from error
    try:
        files = ModelDownloader().download_and_unpack(tag)
        return ModelFiles(Path(files["asr_train_config"]), Path(files["asr_model_file"]))
    except Exception as error:  # whatever the downloader, the hub or the network raises
        raise ConfigError(
            f"{tag} is neither here nor on the hub.", got=f"{type(error).__name__}: {error}"
        ) from error
