"""A packed model becomes a complete folder of a hub, with a card; a dry run sends nothing."""

from __future__ import annotations

import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from espnet_ee.bin.main import main
from espnet_ee.errors import EspnetEEError
from espnet_ee.publish import upload

CONFIG = {
    "encoder": "ee_conformer",
    "encoder_conf": {"exit_layers": [2, 4]},
    "token_type": "char",
    "token_list": ["<blank>", "A", "<sos/eos>"],
}
META = {
    "yaml_files": {"asr_train_config": "exp/asr_x/config.yaml"},
    "files": {"asr_model_file": "exp/asr_x/x.pth"},
    "espnet": "202511",
    "torch": "2.11.0",
}


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    archive = tmp_path / "asr_x.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("meta.yaml", yaml.safe_dump(META))
        file.writestr("exp/asr_x/config.yaml", yaml.safe_dump(CONFIG))
        file.writestr("exp/asr_x/x.pth", b"parameters")
        file.writestr("exp/asr_x/RESULTS.md", "# RESULTS\n\n### WER\n\n|a|\n")
    return archive


def test_a_dry_run_writes_everything_that_would_be_sent(
    packed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["upload", str(packed), "--repo", "me/model", "--dry-run"]) == 0
    folder = packed.with_suffix("")
    names = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert names == {"README.md", "meta.yaml"} | {
        f"exp/asr_x/{name}" for name in ("config.yaml", "x.pth", "RESULTS.md")
    }
    shown = capsys.readouterr().out
    assert all(name in shown for name in names)
    assert "dry run: " in shown
    _, front, card = (folder / "README.md").read_text().split("---\n", 2)
    fields = yaml.safe_load(front)
    assert "license" not in fields and "language" not in fields, "nobody stated them"
    assert "## Licence\n\nNot stated." in card
    assert "automatic-speech-recognition" in fields["tags"]
    for text in ("exits after layers 2, 4", "3 (char)", 'from_pretrained("me/model")', "#### WER"):
        assert text in card


def test_a_second_run_replaces_the_folder(packed: Path) -> None:
    stale = packed.with_suffix("") / "stale"
    stale.parent.mkdir()
    stale.touch()
    assert main(["upload", str(packed), "--repo", "me/model", "--dry-run"]) == 0
    assert not stale.exists()
    assert not [p for p in packed.parent.iterdir() if p.name.startswith(".folder")]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda p: None, ("--repo", "model"), "a repository has a user and a name."),
        (lambda p: p.write_bytes(b"no zip"), ("--repo", "me/m"), "is not a packed model."),
        (lambda p: p.unlink(), ("--repo", "me/m"), "is not a packed model."),
    ],
)
def test_what_cannot_be_sent_is_one_error_and_leaves_nothing(
    packed: Path, capsys: pytest.CaptureFixture[str], change: Any, options: Any, message: str
) -> None:
    change(packed)
    assert main(["upload", str(packed), *options]) == 1
    assert message in capsys.readouterr().err
    assert not packed.with_suffix("").exists()


class Hub:
    """Stands in for huggingface_hub.HfApi."""

    calls: list[tuple[str, dict[str, Any]]] = []

    def create_repo(self, repo: str, **options: Any) -> None:
        self.calls.append((repo, options))

    def upload_folder(self, **options: Any) -> str:
        self.calls.append(("upload", options))
        if options["repo_id"] == "not/mine":
            raise PermissionError("403 Forbidden")
        return "https://hub/me/model"


def test_the_folder_is_sent_as_the_user_who_is_logged_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    library = types.ModuleType("huggingface_hub")
    library.HfApi = Hub  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    monkeypatch.setattr(Hub, "calls", [])
    assert upload(tmp_path, "me/model") == "https://hub/me/model"
    assert Hub.calls[1] == ("upload", {"folder_path": tmp_path, "repo_id": "me/model"})
    with pytest.raises(EspnetEEError, match=r"(?s)not uploaded.*403 Forbidden.*log in"):
        upload(tmp_path, "not/mine")


def test_without_the_library_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(EspnetEEError, match=r"pip install 'espnet-ee\[hub\]'"):
        upload(tmp_path, "me/model")
