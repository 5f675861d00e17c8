"""A packed model as the folder that a model hub shows: its files and a card on what it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from espnet_ee.archive import read_meta, read_model_config, unpacked
from espnet_ee.card import CARD_NAME, CardOptions, card_text, read_card, renamed
from espnet_ee.data.files import disk_error
from espnet_ee.data.training_set import training_set
from espnet_ee.errors import ConfigError, EspnetEEError
from espnet_ee.report.model_card import CardFacts, card_body


def write_folder(archive: Path, folder: Path, options: CardOptions) -> None:
    """Unpack ``archive`` (recipe stage 14) into ``folder``, replacing it, with a card README.md.

    Args:
        archive: The packed model.
        folder: Appears whole or not at all.
        options: With the name ``USER/NAME`` on the hub; what it does not state is as packed.

    Raises:
        ConfigError: The name is not USER/NAME.
        CheckpointError: The archive is missing or damaged.
        DataError: The disk is full, or the card was changed by hand.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", options.name):
        raise ConfigError("a repository has a user and a name.", got=options.name, want="USER/NAME")
    with unpacked(archive, folder.parent) as new:
        card = _card(new, archive, options)
        try:
            (new / CARD_NAME).write_text(card, encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
        except OSError as error:
            raise disk_error(error, f"unpacking {archive}", folder.parent) from error


def upload(folder: Path, repo: str) -> str:
    """Send a folder to the Hugging Face hub as the user who is logged in; return its address.

    Raises:
        ConfigError: The hub's library is not installed.
        EspnetEEError: The hub refused, or cannot be reached.
    """
    try:
        import huggingface_hub  # type: ignore[import-not-found]
    except ImportError as error:
        raise ConfigError(
            "the library of the hub is not installed.", fix="pip install 'espnet-ee[hub]'"
        ) from error
    try:
        api = huggingface_hub.HfApi()
        api.create_repo(repo, exist_ok=True)
        return str(api.upload_folder(folder_path=folder, repo_id=repo))
    except Exception as error:  # whatever the hub's library or the network raises
        raise EspnetEEError(
            f"{repo} was not uploaded.",
            got=f"{type(error).__name__}: {error}",
            fix="log in with: huggingface-cli login; then run this again",
        ) from error


def _card(folder: Path, archive: Path, options: CardOptions) -> str:
    """The card that was packed, under its new name; else one of what the files say."""
    packed = folder / CARD_NAME
    if packed.is_file():
        return renamed(*read_card(packed.read_text(encoding="utf-8"), archive), options)
    meta, config = read_meta(folder, archive), read_model_config(folder, archive)
    body = card_body(CardFacts(options.name, config, meta, training_set(config)))
    return card_text(options, body + "".join(_results(folder)))


def _results(folder: Path) -> Iterator[str]:
    for results in sorted(folder.rglob("RESULTS.md")):
        text = results.read_text(encoding="utf-8").removeprefix("# RESULTS\n")
        yield f"\n## Results\n{re.sub(r'^#', '##', text, flags=re.MULTILINE)}"
