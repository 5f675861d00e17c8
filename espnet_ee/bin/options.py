"""Option values that several commands share, checked where they are given."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_ee.errors import ConfigError
from espnet_ee.scored_set import LAYER

if TYPE_CHECKING:
    from espnet_ee.host.attention_decoding import BeamOptions
    from espnet_ee.policies import ExitPolicy
    from espnet_ee.rules.file import ChosenRule

SEARCH_OPTIONS = (
    *("beam_size", "ctc_weight", "maxlenratio", "penalty"),
    *("lm_file", "lm_train_config", "lm_weight"),
)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def amount(text: str) -> float:
    """A positive, finite number."""
    value = float(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return value


def threshold(text: str) -> float:
    """Any number, infinite ones included; NaN would never stop anything."""
    value = float(text)
    if math.isnan(value):
        raise argparse.ArgumentTypeError("nan is no threshold")
    return value


def add_search_options(parser: argparse.ArgumentParser, dash: str) -> None:
    """Options of text by attention decoders; ``dash`` joins words, as the command's others do."""
    parser.add_argument(
        "--decoder",
        choices=("ctc", "attention"),
        default="ctc",
        help="greedy CTC, or CTC/attention beam search where an exit has a decoder",
    )
    parser.add_argument(f"--beam{dash}size", type=positive, help="of the search; default 20")
    parser.add_argument(
        f"--ctc{dash}weight", type=float, help="of CTC in the search, below 1; default 0.5"
    )
    parser.add_argument(
        "--maxlenratio",
        type=float,
        help="of the search: longest text over frames; 0, the default: until it ends by itself",
    )
    parser.add_argument(
        "--penalty", type=float, help="of the search: score of each token; default 0"
    )
    parser.add_argument(
        f"--lm{dash}file", type=Path, help="parameters of a language model for the search"
    )
    parser.add_argument(
        f"--lm{dash}train{dash}config",
        type=Path,
        help="its configuration; default: config.yaml beside its parameters",
    )
    parser.add_argument(f"--lm{dash}weight", type=float, help="of its score; default 1")


def search_of(args: argparse.Namespace) -> BeamOptions | None:
    """What ``add_search_options`` asked for; None for greedy CTC.

    Raises:
        ConfigError: Options of a search without a search, or impossible ones.
    """
    from espnet_ee.host.attention_decoding import BeamOptions

    given = {name: getattr(args, name) for name in SEARCH_OPTIONS}
    given = {name: value for name, value in given.items() if value is not None}
    if args.decoder == "attention":
        return BeamOptions(**_with_language_model(given))
    if given:
        raise ConfigError(
            "greedy CTC does not search.",
            got=", ".join(f"{name}={value}" for name, value in given.items()),
            want="--decoder attention with it, or neither",
        )
    return None


def _with_language_model(given: dict[str, Any]) -> dict[str, Any]:
    """Options of the search; the language model's two files are one of them."""
    from espnet_ee.host.language_model import LanguageModelFiles

    checkpoint, config = given.pop("lm_file", None), given.pop("lm_train_config", None)
    if checkpoint is not None:
        return {**given, "lm": LanguageModelFiles(checkpoint, config)}
    if config is not None or "lm_weight" in given:
        raise ConfigError(
            "there is no language model to search with.",
            got="its configuration or weight, without its parameters",
            want="an lm_file, e.g. exp/lm_train_lm_en_bpe256/valid.loss.ave.pth",
        )
    return given


def stopping_of(
    policy: str, value: float | None, rule: str | None
) -> tuple[ExitPolicy, float, ChosenRule | None]:
    """Policy and threshold: those given, or those of a rule file, which is returned too.

    Raises:
        ConfigError: A policy without threshold, both ways at once, or a bad rule file.
    """
    from espnet_ee.policies import build_policy
    from espnet_ee.policies.ruled import policy_of
    from espnet_ee.rules.file import read_rule

    if rule is None:
        named = build_policy(policy)
        return named, check_threshold(named, value), None
    if value is not None or policy != LAYER:
        raise ConfigError(
            "a rule file holds policy and threshold.",
            got=f"--rule {rule} with --policy {policy}, --threshold {value}",
            want="either",
        )
    chosen = read_rule(rule)
    return policy_of(chosen), chosen.threshold, chosen


def check_threshold(policy: ExitPolicy, value: float | None) -> float:
    """The threshold to use: the one given, or the last exit for the policy that looks at depth.

    Raises:
        ConfigError: A policy that looks at evidence has no threshold.
    """
    if value is not None:
        return value
    if policy.name != LAYER:
        raise ConfigError(
            f"policy {policy.name} needs a threshold.",
            want=f"a number in {policy.unit}",
            fix="--threshold X, chosen on development data: see RESULTS.md, or let "
            "espnet-ee calibrate choose and give its --rule",
        )
    return math.inf


def check_device(name: str) -> str:
    """The device, if torch has it.

    Raises:
        ConfigError: It is misspelt or absent.
    """
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {name!r} cannot be used.",
            got=str(error).splitlines()[0][:120],
            want="cpu, cuda or cuda:N",
        ) from error
    return name
