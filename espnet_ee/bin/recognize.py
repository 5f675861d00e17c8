"""``espnet-ee recognize``: audio files to text or subtitles, in the order given."""

from __future__ import annotations

import argparse
import math
from functools import partial

from espnet_ee.bin.options import (
    add_search_options,
    check_device,
    positive,
    search_of,
    stopping_of,
    threshold,
)
from espnet_ee.bin.output_options import (
    add_output_options,
    check_outputs,
    cut_of,
    wants_times,
    write_outputs,
)
from espnet_ee.bin.resources import (
    add_limit_options,
    add_target_options,
    check_resources,
    check_target,
    limits_of,
    stream_of,
    use_profile,
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
    add_limit_options(parser, "-")
    add_target_options(parser)
    add_search_options(parser, "-")
    add_precision_option(parser, "-")
    add_output_options(parser)
    parser.add_argument("--batch-size", type=positive, default=16, help="files decoded together")
    parser.add_argument("--threads", type=positive, default=1, help="of torch on the CPU")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")


def run(args: argparse.Namespace) -> int:
    """Recognise; exit code 1 if any file could not be read."""
    import torch

    if args.exit_layer is not None and args.threshold is not None:
        raise ConfigError("--exit-layer and --threshold exclude each other.")
    if args.nbest is not None and args.format != "json":
        raise ConfigError("--nbest N is shown by --format json only.", want="both or neither")
    check_outputs(args)
    check_resources(args)
    cut, controlled, limits = cut_of(args), check_target(args), limits_of(args)
    given = math.inf if controlled else args.exit_layer or args.threshold
    policy, threshold, rule = stopping_of(args.policy, given, args.rule)
    device = check_device(args.device)
    torch.set_num_threads(args.threads)
    use_precision(args.float32_matmul_precision)

    from espnet_ee.host.inference import EarlyExitSpeech2Text
    from espnet_ee.host.recognised_files import recognise_files

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
        rule.check_model(asr.loaded.sha256, asr.exit_layers)
    use_profile(args, asr)
    alone = partial(asr, policy=policy, threshold=threshold, limits=limits)
    recognise = stream_of(args, asr, policy, limits) if controlled else alone
    times = wants_times(args)
    done, failures = recognise_files(asr, args.files, recognise, cut, times, controlled)
    write_outputs(args, done)
    return 1 if failures else 0
