"""espnet-ee calibrate: choose a rule and its threshold on development records, for a promise."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from espnet_ee.baselines import fixed_exits
from espnet_ee.bin.options import not_negative, threshold
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.records import read_record
from espnet_ee.replay import OperatingPoint, replay
from espnet_ee.report.reliability import draw_reliability
from espnet_ee.rules import AllOf, AnyOf, Condition, Rule, Single, selection
from espnet_ee.rules.applying import with_rule
from espnet_ee.rules.curves import METHODS, fit_calibration
from espnet_ee.rules.file import ChosenRule, write_rule
from espnet_ee.rules.fitting import GATES, cross_scored, default_features, fit_gate
from espnet_ee.scored_set import ScoredSet, check_same_model, pool, score_set
from espnet_ee.scoring import FloatArray

Ids = set[tuple[str, str]]  # of utterances: set and id
_TARGETS = ("target_cost", "max_wer", "max_excess_wer", "threshold")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``espnet-ee calibrate``."""
    parser.add_argument(
        "records", nargs="+", metavar="RECORD", help="record.jsonl.gz of development sets"
    )
    rule = parser.add_mutually_exclusive_group(required=True)
    rule.add_argument("--policy", metavar="NAME", help="one policy of the records")
    rule.add_argument(
        "--gate",
        choices=GATES,
        help="learn from policies whether an exit is as good as the last, or its excess errors",
    )
    rule.add_argument("--all-of", nargs="+", metavar="NAME>=X", help="stop where all hold")
    rule.add_argument("--any-of", nargs="+", metavar="NAME>=X", help="stop where one holds")
    parser.add_argument(
        "--fit-on",
        nargs="+",
        metavar="RECORD",
        help="fit --gate or --map to these; else to RECORD, thresholds to speakers left out",
    )
    parser.add_argument("--features", nargs="+", metavar="NAME", help="what --gate reads")
    parser.add_argument(
        "--map",
        choices=METHODS,
        help="of --policy: to the probability of being as good as the last exit",
    )
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--target-cost", type=float, metavar="SHARE", help="mean cost over the last exit's, 0 to 1"
    )
    target.add_argument("--max-wer", type=float, metavar="PERCENT", help="as cheap as this allows")
    target.add_argument(
        "--max-excess-wer",
        type=float,
        metavar="POINTS",
        help="as cheap as so many points over the last exit's WER allow",
    )
    target.add_argument(
        "--threshold", type=threshold, help="this one; of --all-of and --any-of 0 is as given"
    )
    parser.add_argument(
        "--confidence",
        type=float,
        metavar="SHARE",
        help="of --max-excess-wer: promise it, as the mean over utterances, with this probability",
    )
    parser.add_argument(
        "--look-back", metavar="NAME", help="of the exits seen, this policy's surest one speaks"
    )
    parser.add_argument("--output", metavar="YAML", help="the rule file, for --rule")
    parser.add_argument("--diagram", metavar="PNG", help="reliability of a probability, per exit")
    parser.add_argument("--seed", type=not_negative, default=0, help="of boosting")


def run(args: argparse.Namespace) -> int:
    """Choose, print what was chosen, and write it if asked."""
    _check(args)
    dev, ids = _read(args.records)
    rule, scores = _rule_of(args, dev, ids)
    dev = with_rule(dev, rule, scores, args.look_back)
    if args.diagram:
        draw_reliability(dev, rule.name, args.diagram)
    if not any(getattr(args, name) is not None for name in _TARGETS):
        return 0
    point, aim = _choose(args, dev, rule.name)
    lines = _described(args, dev, point, aim)
    print("\n".join(f"{key}: {value}" for key, value in lines.items()))
    if args.output:
        _write(args, dev, rule, point, lines)
        print(f"Rule file: {args.output}, for espnet-ee recognize --rule")
    return 0


def _read(paths: Sequence[str]) -> tuple[ScoredSet, Ids]:
    """The sets as one, and its utterances by set and id.

    Raises:
        DataError: An utterance is given twice: it would count as two.
    """
    records = [read_record(path) for path in paths]
    ids = [(r.header.set_name, u.utt_id) for r in records for u in r.utterances]
    if len(set(ids)) < len(ids):
        raise DataError("A record is given twice.", got=" ".join(paths), want="each set once")
    return pool([score_set(record) for record in records]), set(ids)


def _read_other(args: argparse.Namespace, dev: ScoredSet, chosen_on: Ids) -> ScoredSet:
    """What a rule is fitted to: of the same model, and none of the utterances it is chosen on."""
    other, ids = _read(args.fit_on)
    if ids & chosen_on:
        raise DataError(
            "The rule would be fitted to what its threshold is chosen on.",
            got=f"--fit-on {' '.join(args.fit_on)}",
            want="other utterances than those of RECORD, or no --fit-on",
        )
    check_same_model([dev, other])
    return other


def _check(args: argparse.Namespace) -> None:
    """Refuse what would be ignored."""
    wants_target = not args.diagram or args.output
    has_target = any(getattr(args, name) is not None for name in _TARGETS)
    problems = {
        "--map goes with --policy": args.map and not args.policy,
        "--features goes with --gate": args.features and not args.gate,
        "--confidence goes with --max-excess-wer": args.confidence is not None
        and args.max_excess_wer is None,
        "--confidence does not look back": args.confidence is not None and args.look_back,
        "--output is a folder": args.output and Path(args.output).is_dir(),
        "--fit-on goes with --gate or --map": args.fit_on and not (args.gate or args.map),
        "--confidence of a learned rule needs --fit-on": args.confidence is not None
        and (args.gate or args.map)
        and not args.fit_on,
        "one of --target-cost, --max-wer, --max-excess-wer, --threshold is needed": wants_target
        and not has_target,
    }
    wrong = [problem for problem, holds in problems.items() if holds]
    if wrong:
        raise ConfigError("These options do not fit.", got="; ".join(wrong))


def _rule_of(args: argparse.Namespace, dev: ScoredSet, ids: Ids) -> tuple[Rule, FloatArray | None]:
    """The rule, and its scores on the set that it may have been fitted to."""
    if args.all_of or args.any_of:
        conditions = tuple(map(_condition, args.all_of or args.any_of))
        return (AllOf if args.all_of else AnyOf)(conditions), None
    fit: Callable[[ScoredSet], Rule]
    if args.gate:
        features = tuple(dict.fromkeys(args.features or default_features(dev)))

        def fit(part: ScoredSet) -> Rule:
            return fit_gate(part, args.gate, features, args.seed)
    elif args.map:

        def fit(part: ScoredSet) -> Rule:
            return fit_calibration(part, args.policy, args.map)
    else:
        return Single(args.policy), None
    if args.fit_on:
        return fit(_read_other(args, dev, ids)), None
    return fit(dev), cross_scored(dev, fit)


def _condition(text: str) -> Condition:
    parts = re.fullmatch(r"(\w+)>=(.+)", text)
    try:
        if parts is None:
            raise ValueError(text)
        return Condition(parts[1], float(parts[2]))
    except ValueError as error:
        raise ConfigError(
            "A condition is not as expected.", got=text, want="'NAME>=X', e.g. 'entropy>=-0.1'"
        ) from error


def _choose(args: argparse.Namespace, dev: ScoredSet, name: str) -> tuple[OperatingPoint, str]:
    """The setting, and what for in words."""
    if args.target_cost is not None:
        point = selection.within_cost(dev, name, args.target_cost, args.look_back)
        return point, f"{100 * args.target_cost:g} % of the last exit's cost"
    if args.threshold is not None:
        return replay(dev, name, args.threshold, args.look_back), "the threshold given"
    if args.max_wer is not None:
        point = selection.within_wer(dev, name, args.max_wer / 100, args.look_back)
        return point, f"WER of at most {args.max_wer:g} %"
    excess = args.max_excess_wer / 100
    aim = f"at most {args.max_excess_wer:g} points over the last exit"
    if args.confidence is None:
        return selection.within_excess(dev, name, excess, args.look_back), f"WER {aim}"
    point, control = selection.within_risk(dev, name, excess, args.confidence)
    aim = f"mean error of an utterance {aim}, with {100 * args.confidence:g} % confidence"
    if control.fell_back:
        aim += ": nothing but the last exit can promise that"
    return point, aim


def _described(
    args: argparse.Namespace, dev: ScoredSet, point: OperatingPoint, aim: str
) -> dict[str, Any]:
    """What people want to know; also kept in the file."""
    learned = "of rules fitted to the other speakers"
    if args.fit_on:
        learned = f"of a rule fitted to {', '.join(args.fit_on)}"
    return {
        "rule": point.policy,
        "threshold": point.threshold,
        "for": aim,
        "chosen on": ", ".join(args.records),
        "utterances": len(point.picks),
        "scores": learned if args.gate or args.map else "as recorded",
        "WER %": round(100 * point.wer, 2),
        "WER % of the last exit": round(100 * fixed_exits(dev)[-1].wer, 2),
        "cost % of the last exit's": round(100 * selection.cost_share(dev, point), 1),
        "mean layer": round(point.mean_layer, 2),
    }


def _write(
    args: argparse.Namespace,
    dev: ScoredSet,
    rule: Rule,
    point: OperatingPoint,
    lines: dict[str, Any],
) -> None:
    known = {key: value for key, value in lines.items() if key not in ("rule", "threshold")}
    model = dev.header.exits, dev.header.checkpoint_sha256
    write_rule(args.output, ChosenRule(rule, point.threshold, args.look_back, *model, known))
