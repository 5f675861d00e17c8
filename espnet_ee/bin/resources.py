"""Options of commands that limit or hold what recognition takes, and what they ask for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from espnet_ee.bin.options import amount, positive
from espnet_ee.errors import ConfigError

if TYPE_CHECKING:
    from espnet_ee.host.controlled import ControlledStream
    from espnet_ee.host.inference import EarlyExitSpeech2Text
    from espnet_ee.limits import Limits
    from espnet_ee.policies import ExitPolicy


def add_limit_options(parser: argparse.ArgumentParser, dash: str) -> None:
    """Limits of each utterance; ``dash`` joins words, as the command's other options do."""
    parser.add_argument(
        f"--max{dash}layer",
        type=positive,
        metavar="K",
        help="stop at the deepest exit up to layer K, whatever the score",
    )
    parser.add_argument(
        f"--max{dash}gflops{dash}per{dash}sec",
        type=amount,
        metavar="G",
        help="stop at the deepest exit that costs at most G GFLOPs per second of audio",
    )
    parser.add_argument(
        f"--deadline{dash}ms",
        type=amount,
        metavar="MS",
        help="stop at the deepest exit that takes at most MS, as --profile predicts it",
    )
    parser.add_argument("--profile", metavar="JSON", help="times by espnet-ee profile")


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """A mean to hold over all files."""
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        "--target-gflops-per-sec",
        type=amount,
        metavar="G",
        help="hold this mean cost over the files, in their order, by moving the threshold",
    )
    target.add_argument(
        "--target-rtf",
        type=amount,
        metavar="R",
        help="hold this mean of computing time over audio time; reads --profile",
    )
    parser.add_argument(
        "--dev-record", metavar="RECORD", help="of development data: where thresholds start from"
    )


def limits_of(args: argparse.Namespace) -> Limits | None:
    """What ``add_limit_options`` asked for; None without a limit."""
    from espnet_ee.limits import Limits

    limits = Limits(args.max_layer, args.max_gflops_per_sec, args.deadline_ms)
    return limits if limits.given else None


def check_resources(args: argparse.Namespace) -> None:
    """Refuse options that lack, or exclude, each other, before a model is read.

    Raises:
        ConfigError: What is missing, or too much.
    """
    timed = args.deadline_ms is not None or getattr(args, "target_rtf", None) is not None
    if timed and args.profile is None:
        raise ConfigError(
            "a deadline or a real-time factor needs to know how long each exit takes here.",
            want="--profile with it",
            fix="espnet-ee profile --exp EXP --output profile.json, then --profile profile.json",
        )
    if args.profile is not None and not timed:
        raise ConfigError("nothing reads --profile.", want="a deadline or --target-rtf with it")


def check_target(args: argparse.Namespace) -> bool:
    """Whether the threshold follows from a mean to hold.

    Raises:
        ConfigError: A target beside a threshold or a rule, or without a record.
    """
    wanted = (args.target_gflops_per_sec or args.target_rtf) is not None
    given = {name: getattr(args, name) for name in ("exit_layer", "threshold", "rule")}
    given = {name: value for name, value in given.items() if value is not None}
    if wanted and given:
        raise ConfigError(
            "a target sets the threshold itself.",
            got=", ".join(f"{name} {value}" for name, value in given.items()),
        )
    if wanted != (args.dev_record is not None):
        raise ConfigError(
            "a target and the record its thresholds come from go together.",
            want="--target-gflops-per-sec or --target-rtf with --dev-record, or neither",
        )
    return wanted


def use_profile(args: argparse.Namespace, asr: EarlyExitSpeech2Text) -> None:
    """Let ``asr`` hold deadlines by ``--profile``, if it is given.

    Raises:
        ConfigError: It was measured for something else.
    """
    from espnet_ee.latency import LatencyProfile

    if args.profile is not None:
        asr.use_latency(LatencyProfile.load(args.profile))


def stream_of(
    args: argparse.Namespace,
    asr: EarlyExitSpeech2Text,
    policy: ExitPolicy,
    limits: Limits | None,
) -> ControlledStream:
    """What ``add_target_options`` asked for.

    Raises:
        ConfigError: A record of another model, or a target that no threshold reaches.
    """
    from espnet_ee.controller import CostController, CostCurve
    from espnet_ee.host.controlled import ControlledStream, check_same_checkpoint
    from espnet_ee.records import read_record
    from espnet_ee.scored_set import policy_scores, score_set

    record = read_record(args.dev_record)
    check_same_checkpoint(record, asr, args.dev_record)
    policy_scores(record, policy.name)  # says which there are, if not this one
    dev, size = score_set(record), args.batch_size
    if args.target_rtf is None:
        curve = CostCurve.of(dev, policy.name)
        controller = CostController(curve, args.target_gflops_per_sec, call_size=size)
        return ControlledStream(asr, policy, controller, size, "gflops", limits)
    assert asr.latency is not None  # check_resources wants a profile
    curve = CostCurve.of(dev, policy.name, asr.latency.seconds(dev.seconds))
    controller = CostController(curve, args.target_rtf, unit="times real time", call_size=size)
    return ControlledStream(asr, policy, controller, size, "seconds", limits)
