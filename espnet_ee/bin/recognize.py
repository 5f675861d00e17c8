"""``espnet-ee recognize``: audio files to text on stdout, one line per file, in the order given."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from espnet_ee.bin.options import (
    add_search_options,
    check_device,
    positive,
    search_of,
    stopping_of,
    threshold,
)
from espnet_ee.errors import ConfigError
from espnet_ee.precision import add_precision_option, use_precision


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="wav, flac, ogg, opus, mp3, sph")
    parser.add_argument(
        "--exp",
        required=True,
        metavar="MODEL",
        help="experiment folder, .zip of stage 14, or USER/MODEL of a hub",
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="of the folder, instead of its n-best average"
    )
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--policy", default="layer", help="exit rule, e.g. entropy or confidence")
    rule.add_argument(
        "--exit-layer", type=positive, metavar="K", help="first exit at layer K or deeper"
    )
    rule.add_argument(
        "--rule", metavar="YAML", help="policy and threshold, as espnet-ee calibrate writes them"
    )
    parser.add_argument(
        "--threshold", type=threshold, help="of the policy: stop at the first exit that reaches it"
    )
    add_search_options(parser, "-")
    add_precision_option(parser, "-")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of each line")
    parser.add_argument("--batch-size", type=positive, default=16, help="files decoded together")
    parser.add_argument("--threads", type=positive, default=1, help="of torch on the CPU")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")


def run(args: argparse.Namespace) -> int:
    """Recognise; exit code 1 if any file could not be read."""
    import torch

    if args.exit_layer is not None and args.threshold is not None:
        raise ConfigError("--exit-layer and --threshold exclude each other.")
    policy, limit, rule = stopping_of(args.policy, args.exit_layer or args.threshold, args.rule)
    device = check_device(args.device)
    torch.set_num_threads(args.threads)
    use_precision(args.float32_matmul_precision)

    from espnet_ee.host.feeding import POOL, Feeder
    from espnet_ee.host.inference import EarlyExitSpeech2Text

    options = (device, args.batch_size, search_of(args))
    if args.checkpoint is None:
        asr = EarlyExitSpeech2Text.from_pretrained(args.exp, *options)
    else:
        asr = EarlyExitSpeech2Text.from_exp(args.exp, args.checkpoint, *options)
    if args.exit_layer is not None and args.exit_layer > asr.exit_layers[-1]:
        raise ConfigError(
            f"--exit-layer {args.exit_layer} is deeper than the model.",
            want=", ".join(map(str, asr.exit_layers)),
        )
    if rule is not None:
        rule.check_model(asr.loaded.sha256)
    # A file named twice is read and printed twice: its place is its id.
    feeder = Feeder(asr, {str(place): path for place, path in enumerate(args.files)}, POOL)
    lines: dict[int, str] = {}
    for pool in feeder:
        results = asr([fed.samples for fed in pool], policy, limit)
        for fed, result in zip(pool, results, strict=True):
            place = int(fed.utt_id)
            shown = {"file": args.files[place], **asdict(result)}
            lines[place] = (
                json.dumps(shown, ensure_ascii=False)
                if args.format == "json"
                else f"{args.files[place]}\tlayer {result.layer}\t{result.text}"
            )
    for place in sorted(lines):
        print(lines[place])
    return 1 if feeder.failures else 0
