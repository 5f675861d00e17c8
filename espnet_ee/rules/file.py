"""The rule file: a policy or rule with its threshold, chosen on development data, as YAML.

``recognize``, ``asr_inference`` and the recipes read it; people may read and edit it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet_ee.data.files import write_lines_atomic
from espnet_ee.errors import ConfigError
from espnet_ee.rules import KINDS, Rule, Single
from espnet_ee.spelling import nearest

_FORMAT = {"format": "espnet-ee-rule", "version": 1}
_KEYS = ("threshold", "policy", "rule", "look_back", "exits", "checkpoint_sha256", "chosen")


@dataclass(frozen=True)
class ChosenRule:
    """What stops utterances.

    Attributes:
        rule: Its scores decide; ``Single`` for a policy as it is.
        threshold: In the rule's unit.
        look_back: The policy that tells which of the exits seen speaks; None: the one it stops at.
        exits: Layers of the exits of the model it was chosen for; None: any.
        checkpoint_sha256: Of that model; None: of any.
        chosen: For what, on what, and what it gave there; for people.
    """

    rule: Rule
    threshold: float
    look_back: str | None = None
    exits: tuple[int, ...] | None = None
    checkpoint_sha256: str | None = None
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def check_model(self, sha256: str, exits: Sequence[int]) -> None:
        """Refuse another model: its scores mean something else.

        Raises:
            ConfigError: The rule was chosen for another checkpoint or other exits.
        """
        if self.rule.judges not in (None, len(exits) - 1):
            raise ConfigError(
                "the rule was made for another number of exits.",
                got=f"a model with {len(exits)}",
                want=f"one with {(self.rule.judges or 0) + 1}",
            )
        if self.exits not in (None, tuple(exits)):
            raise ConfigError(
                "the rule was chosen for other exits.",
                got=f"exits at layers {', '.join(map(str, exits))}",
                want=f"exits at layers {', '.join(map(str, self.exits or ()))}",
                fix="calibrate on this model's records",
            )
        if self.checkpoint_sha256 not in (None, sha256):
            raise ConfigError(
                "the rule was chosen for another model.",
                got=f"checkpoint {sha256[:12]}...",
                want=f"checkpoint {str(self.checkpoint_sha256)[:12]}...",
                fix="calibrate on this model's records, or delete the rule's checkpoint_sha256",
            )


def write_rule(path: str | Path, chosen: ChosenRule) -> None:
    """Write the YAML; a rule's own numbers are one line of JSON at its end."""
    import yaml

    content: dict[str, Any] = {**_FORMAT, "threshold": chosen.threshold}
    if isinstance(chosen.rule, Single):
        content["policy"] = chosen.rule.policy
    content["look_back"] = chosen.look_back
    content["exits"] = list(chosen.exits) if chosen.exits else None
    content["checkpoint_sha256"] = chosen.checkpoint_sha256
    content["chosen"] = dict(chosen.chosen)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    if not isinstance(chosen.rule, Single):
        numbers = {"kind": chosen.rule.kind, **chosen.rule.fields()}
        text += f"rule: {json.dumps(numbers)}\n"
    write_lines_atomic(Path(path), text.splitlines())


def read_rule(path: str | Path) -> ChosenRule:
    """Read what ``write_rule`` or a person wrote.

    Raises:
        ConfigError: The file is missing, no YAML, or holds something else than a rule.
    """
    content = _read(Path(path))
    unknown = [f"{key}{nearest(key, _KEYS)}" for key in content if key not in (*_FORMAT, *_KEYS)]
    if unknown:
        raise ConfigError(f"{path} has keys that nobody reads.", got=", ".join(unknown))
    if {key: content.get(key) for key in _FORMAT} != _FORMAT:
        raise ConfigError(
            f"{path} is no rule file of this version.",
            want=", ".join(f"{key}: {value}" for key, value in _FORMAT.items()),
            fix="espnet-ee calibrate RECORD --output FILE",
        )
    return ChosenRule(
        _rule_of(content, path),
        _threshold_of(content, path),
        _name_of(content, path),
        _exits_of(content, path),
        content.get("checkpoint_sha256"),
        content.get("chosen") or {},
    )


def _read(path: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no rule file {path}.", fix="espnet-ee calibrate") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read.", got=str(error), want="YAML") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} is no rule file.", got=type(content).__name__, want="a mapping")
    return content


def _rule_of(content: Mapping[str, Any], path: str | Path) -> Rule:
    numbers, policy = content.get("rule"), content.get("policy")
    if (numbers is None) == (policy is None):
        raise ConfigError(f"{path} needs either a policy or a rule.", got=", ".join(content))
    if policy is not None:
        return Single(str(policy))
    try:
        fields = dict(numbers or {})
        return KINDS[fields.pop("kind")].of_fields(fields)
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise ConfigError(
            f"{path} holds a damaged rule.", got=f"{type(error).__name__}: {error}"
        ) from error


def _threshold_of(content: Mapping[str, Any], path: str | Path) -> float:
    value = content.get("threshold")
    try:
        number = math.nan if isinstance(value, bool) else float(str(value))  # YAML: 1e-3 is a text
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ConfigError(f"{path} has no threshold.", got=repr(value), want="a number")
    return number


def _name_of(content: Mapping[str, Any], path: str | Path) -> str | None:
    name = content.get("look_back")
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"{path}: its look_back is no policy.", got=repr(name))
    return name


def _exits_of(content: Mapping[str, Any], path: str | Path) -> tuple[int, ...] | None:
    exits = content.get("exits")
    if exits is None:
        return None
    if not isinstance(exits, list) or not all(type(layer) is int for layer in exits):
        raise ConfigError(f"{path}: its exits are no list of layers.", got=repr(exits))
    return tuple(exits)
