"""Option values that several commands share, checked where they are given."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet_ee.errors import ConfigError
from espnet_ee.scored_set import LAYER

if TYPE_CHECKING:
    from espnet_ee.card import CardOptions
    from espnet_ee.decoding.ctc_beam import CTCBeamOptions
    from espnet_ee.host.attention_decoding import BeamOptions
    from espnet_ee.policies import ExitPolicy
    from espnet_ee.rules.file import ChosenRule

NEURAL = ("lm_file", "lm_train_config", "lm_weight", "penalty", "maxlenratio")
WORDS = ("lexicon", "ngram_file", "ngram_weight", "word_score")
# What each decoder reads.
SEARCH_OPTIONS = {
    "ctc": (),
    "ctc_beam": ("beam_size", "nbest", *WORDS, *NEURAL),
    "attention": ("beam_size", "nbest", "ctc_weight", *NEURAL),
}


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


def not_negative(text: str) -> int:
    """A whole number, 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is less than 0")
    return value


def threshold(text: str) -> float:
    """Any number, infinite ones included; NaN would never stop anything."""
    value = float(text)
    if math.isnan(value):
        raise argparse.ArgumentTypeError("nan is no threshold")
    return value


def add_search_options(parser: argparse.ArgumentParser, dash: str) -> None:
    """Options of texts by a search; ``dash`` joins words, as the command's others do."""

    def add(name: str, kind: Callable[[str], Any], effect: str) -> None:
        parser.add_argument(f"--{name.replace('_', dash)}", type=kind, help=effect)

    parser.add_argument(
        "--decoder",
        choices=tuple(SEARCH_OPTIONS),
        default="ctc",
        help="greedy CTC, CTC beam search, or CTC/attention search where an exit has a decoder",
    )
    add("beam_size", positive, "of the search; default 20, without neural language model 50")
    add("nbest", positive, "texts of the search that are shown; default 1")
    add("lexicon", Path, "of ctc_beam: file of the only words, 'WORD TOKEN TOKEN ...'")
    add("ngram_file", Path, "of ctc_beam: ARPA or KenLM, of words with a lexicon, else of tokens")
    add("ngram_weight", float, "of its log10 probabilities; default 2")
    add("word_score", float, "of ctc_beam: added for each word of the lexicon; default 0")
    add("ctc_weight", float, "of CTC in the attention search, below 1; default 0.5")
    add("maxlenratio", float, "longest text over frames; 0, the default: until it ends by itself")
    add("penalty", float, "of the search: score of each token; default 0")
    add("lm_file", Path, "parameters of a neural language model for the search")
    add("lm_train_config", Path, "its configuration; default: config.yaml beside its parameters")
    add("lm_weight", float, "of its score; default 1")


def add_dev_option(parser: argparse.ArgumentParser) -> None:
    """Which sets of an experiment thresholds are chosen on."""
    parser.add_argument(
        "--dev",
        metavar="SET",
        action="append",
        default=[],
        help="set on which thresholds are chosen; may be repeated; "
        "if not given, sets with dev in their name, such as dev_clean or train_dev",
    )


def add_card_options(parser: argparse.ArgumentParser) -> None:
    """What only people know of a model; what is not given is not stated, or as it was packed."""
    parser.add_argument("--license", help="of the parameters, as the hub spells it: cc-by-4.0")
    parser.add_argument("--language", help="ISO 639 code, e.g. en")
    parser.add_argument(
        "--dataset", action="append", default=[], help="corpus of the training; may be repeated"
    )


def card_options(args: argparse.Namespace, name: str) -> CardOptions:
    """What ``add_card_options`` asked for."""
    from espnet_ee.card import CardOptions

    return CardOptions(name, args.license, args.language, tuple(args.dataset))


def search_of(args: argparse.Namespace) -> BeamOptions | CTCBeamOptions | None:
    """What ``add_search_options`` asked for; None for greedy CTC.

    Raises:
        ConfigError: Options that the decoder does not read, or impossible ones.
    """
    names = dict.fromkeys(name for read in SEARCH_OPTIONS.values() for name in read)
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    unread = given.keys() - {*SEARCH_OPTIONS[args.decoder]}
    if unread:
        readers = [d for d, read in SEARCH_OPTIONS.items() if unread <= {*read}]
        raise ConfigError(
            "greedy CTC does not search."
            if args.decoder == "ctc"
            else f"the search of --decoder {args.decoder} does not read these options.",
            got=", ".join(f"{name}={given[name]}" for name in names if name in unread),
            want=f"--decoder {' or '.join(readers)} with it, or neither" if readers else "",
        )
    if args.decoder == "attention":
        return _attention(given)
    return _ctc_beam(given) if args.decoder == "ctc_beam" else None


def _attention(given: dict[str, Any]) -> BeamOptions:
    from espnet_ee.host.attention_decoding import BeamOptions

    if given.get("ctc_weight") == 1.0:
        raise ConfigError(
            "CTC alone is no attention search.",
            got="--decoder attention, ctc_weight=1.0",
            fix="--decoder ctc_beam",
        )
    return BeamOptions(**_with_language_model(given))


def _ctc_beam(given: dict[str, Any]) -> BeamOptions | CTCBeamOptions:
    """With a neural language model ESPnet's search, else torchaudio's or our own."""
    from espnet_ee.decoding.ctc_beam import CTCBeamOptions
    from espnet_ee.host.attention_decoding import BeamOptions

    neural, words = given.keys() & {*NEURAL}, given.keys() & {*WORDS}
    if neural and words:
        raise ConfigError(
            "one search reads either a neural language model of tokens or a lexicon and an n-gram.",
            got=", ".join(sorted(neural | words)),
            want=f"options of {', '.join(NEURAL)}, or of {', '.join(WORDS)}",
        )
    if neural:
        if "lm_file" not in given:
            raise _no_language_model(neural)
        return BeamOptions(ctc_weight=1.0, **_with_language_model(given))
    for option, needed in (("ngram_weight", "ngram_file"), ("word_score", "lexicon")):
        if option in given and needed not in given:
            raise ConfigError(f"{option} weighs nothing without {needed}.", want="both or neither")
    return CTCBeamOptions(**given)


def _with_language_model(given: dict[str, Any]) -> dict[str, Any]:
    """Options of the search; the language model's two files are one of them."""
    from espnet_ee.host.language_model import LanguageModelFiles

    checkpoint, config = given.pop("lm_file", None), given.pop("lm_train_config", None)
    if checkpoint is not None:
        return {**given, "lm": LanguageModelFiles(checkpoint, config)}
    if config is not None or "lm_weight" in given:
        raise _no_language_model(("lm_train_config", "lm_weight"))
    return given


def _no_language_model(options: Iterable[str]) -> ConfigError:
    return ConfigError(
        "there is no language model to search with.",
        got=f"{' or '.join(sorted(options))} without lm_file",
        want="an lm_file, e.g. exp/lm_train_lm_en_bpe256/valid.loss.ave.pth",
    )


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
