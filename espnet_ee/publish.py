"""A packed model as the folder that a model hub shows: its files and a card on what it is."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from espnet_ee.archive import damaged, model_files, read_meta, unpacked
from espnet_ee.data.files import disk_error
from espnet_ee.errors import ConfigError, EspnetEEError

TAGS = ("espnet", "espnet-ee", "audio", "automatic-speech-recognition", "early-exit")
USAGE = """## Use

```sh
pip install espnet-ee
espnet-ee recognize --exp {repo} --policy entropy --threshold -0.1 audio.flac
```

```python
from espnet_ee.host.inference import EarlyExitSpeech2Text

asr = EarlyExitSpeech2Text.from_pretrained("{repo}")
```

Every utterance stops at the first exit whose score reaches the threshold. ESPnet's own
`asr_inference` reads the model too, once `espnet_ee` is imported, and decodes at the last exit.
"""


def write_folder(archive: Path, folder: Path, repo: str, licence: str, language: str) -> None:
    """Unpack ``archive`` (recipe stage 14) into ``folder``, replacing it, with a card README.md.

    Args:
        archive: The packed model.
        folder: Appears whole or not at all.
        repo: ``USER/NAME`` on the hub.
        licence: As the hub spells it, e.g. ``cc-by-4.0``.
        language: ISO 639 code, e.g. ``en``.

    Raises:
        ConfigError: ``repo`` is not USER/NAME.
        CheckpointError: The archive is missing or damaged.
        DataError: The disk is full.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        raise ConfigError("a repository has a user and a name.", got=repo, want="USER/NAME")
    with unpacked(archive, folder.parent) as new:
        card = "".join(_card(new, archive, repo, licence, language))
        try:
            (new / "README.md").write_text(card, encoding="utf-8")
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


def _card(folder: Path, archive: Path, repo: str, licence: str, language: str) -> Iterator[str]:
    """The parts of the card; what the model is comes from its own files."""
    meta = read_meta(folder, archive)
    config_file = model_files(folder, archive).config
    config = yaml.safe_load(config_file.read_text(encoding="utf-8"))
    lacking = [key for key in ("encoder", "token_list", "token_type") if key not in config]
    if lacking:
        raise damaged(archive, f"{config_file.name} without {', '.join(lacking)}")
    front = {"tags": list(TAGS), "library_name": "espnet", "license": licence, "language": language}
    yield f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n# {repo}\n\n"
    yield "Speech recognition that stops early: each exit of the encoder can recognise.\n\n"
    yield f"- encoder: `{config['encoder']}`{_exits(config)}\n"
    yield f"- tokens: {len(config['token_list'])} ({config['token_type']})\n"
    yield f"- ESPnet {meta.get('espnet', 'unknown')}, torch {meta.get('torch', 'unknown')}\n\n"
    yield USAGE.format(repo=repo)
    for results in sorted(folder.rglob("RESULTS.md")):
        text = results.read_text(encoding="utf-8").removeprefix("# RESULTS\n")
        yield f"\n## Results\n{re.sub(r'^#', '##', text, flags=re.MULTILINE)}"


def _exits(config: dict[str, Any]) -> str:
    layers = config.get("encoder_conf", {}).get("exit_layers")
    return f", exits after layers {', '.join(map(str, layers))}" if layers else ""
