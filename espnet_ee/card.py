"""The model card, README.md of a packed model: what a hub reads around what readers read.

A card is a body of findings (``espnet_ee.report.model_card``) between what may be said anew when a
model is sent somewhere: its name, licence, language and corpora.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from espnet_ee.archive import replace_member
from espnet_ee.errors import DataError

CARD_NAME = "README.md"
TAGS = ("espnet", "espnet-ee", "audio", "automatic-speech-recognition", "early-exit")
NOT_STATED = "not stated"

_CARD = re.compile(r"---\n(.*?\n)---\n\n# ([^\n]+)\n\n(.*\n)\n## Licence\n", re.DOTALL)
_CITATION = """\
Please cite ESPnet, and the papers that `espnet-ee` names beside the policies you use.

```bibtex
@inproceedings{watanabe2018espnet,
  author = {Watanabe, Shinji and Hori, Takaaki and Karita, Shigeki and Hayashi, Tomoki and
    Nishitoba, Jiro and Unno, Yuya and Enrique Yalta Soplin, Nelson and Heymann, Jahn and
    Wiesner, Matthew and Chen, Nanxin and Renduchintala, Adithya and Ochiai, Tsubasa},
  title = {{ESPnet}: End-to-End Speech Processing Toolkit},
  booktitle = {Proceedings of Interspeech},
  pages = {2207--2211},
  year = {2018},
  doi = {10.21437/Interspeech.2018-1456}
}
```
"""


@dataclass(frozen=True)
class CardOptions:
    """What a card says because somebody stated it.

    Attributes:
        name: What users call the model by: ``USER/NAME`` of a hub, or the file.
        licence: Of the parameters, as the hub spells it, e.g. ``cc-by-4.0``; None: not stated.
        language: ISO 639 code, e.g. ``en``; None: not stated.
        datasets: Names of the corpora of training, as the hub spells them.
    """

    name: str
    licence: str | None = None
    language: str | None = None
    datasets: tuple[str, ...] = ()


def card_text(options: CardOptions, body: str) -> str:
    """The whole README.md."""
    front: dict[str, object] = {"tags": list(TAGS), "library_name": "espnet"}
    front["pipeline_tag"] = "automatic-speech-recognition"
    stated = {
        "language": options.language,
        "license": options.licence,
        "datasets": list(options.datasets) or None,
    }
    front |= {key: value for key, value in stated.items() if value is not None}
    licence = options.licence or f"{NOT_STATED[0].upper()}{NOT_STATED[1:]}. Ask who made the model."
    return (
        f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n# {options.name}\n\n{body}"
        f"\n## Licence\n\n{licence}\n\n## Citation\n\n{_CITATION}"
    )


def read_card(text: str, path: Path) -> tuple[CardOptions, str]:
    """Options and body of what ``card_text`` wrote.

    Raises:
        DataError: It is another text, or was changed at its frame.
    """
    match = _CARD.match(text)
    try:
        front = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError:
        front = None
    if match is None or not isinstance(front, dict):
        raise DataError(
            f"{CARD_NAME} in {path} is no model card of ours.",
            want="front matter, a title, findings, ## Licence",
            fix=f"write it anew: espnet-ee card {path}",
        )
    datasets = tuple(front.get("datasets") or ())
    stated = CardOptions(match[2], front.get("license"), front.get("language"), datasets)
    return stated, match[3]


def renamed(options: CardOptions, body: str, new: CardOptions) -> str:
    """The card under another name; what ``new`` does not state stays as it was."""
    merged = CardOptions(
        new.name,
        new.licence or options.licence,
        new.language or options.language,
        new.datasets or options.datasets,
    )
    return card_text(merged, body.replace(options.name, new.name))


def pack_card(archive: Path, text: str) -> None:
    """Put the card into a packed model, instead of one that may be there.

    Raises:
        CheckpointError: The archive is damaged.
        DataError: The disk is full.
    """
    replace_member(archive, CARD_NAME, text.encode())
