"""``espnet-ee recognize``: audio files to text on stdout, one line per file, in the order given."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="wav, flac, ogg, opus, mp3, sph")
    parser.add_argument("--exp", required=True, metavar="DIR", help="experiment with config.yaml")
    parser.add_argument("--checkpoint", metavar="FILE", help="instead of DIR's n-best average")
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--policy", default="layer", help="exit rule: layer, entropy or confidence")
    rule.add_argument("--exit-layer", type=int, metavar="K", help="first exit at layer K or deeper")
    parser.add_argument(
        "--threshold",
        type=float,
        default=math.inf,
        help="stop at the first exit whose score reaches it; inf runs to the last exit",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of each line")
    parser.add_argument("--batch-size", type=int, default=16, help="files decoded together")
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")


def run(args: argparse.Namespace) -> int:
    """Recognise; exit code 1 if any file could not be read."""
    import torch

    from espnet_ee.policies import build_policy

    name, threshold = args.policy, args.threshold
    if args.exit_layer is not None:
        name, threshold = "layer", float(args.exit_layer)
    policy = build_policy(name)
    torch.set_num_threads(args.threads)

    from espnet_ee.host.feeding import Feeder
    from espnet_ee.host.inference import EarlyExitSpeech2Text

    asr = EarlyExitSpeech2Text.from_exp(args.exp, args.checkpoint, args.device, args.batch_size)
    # A file named twice is read and printed twice: its place is its id.
    feeder = Feeder(asr, {str(place): path for place, path in enumerate(args.files)})
    lines: dict[int, str] = {}
    for batch in feeder:
        results = asr([fed.samples for fed in batch], policy, threshold) if batch else []
        for fed, result in zip(batch, results, strict=True):
            place = int(fed.utt_id)
            shown = {"file": args.files[place], **asdict(result)}
            lines[place] = (
                json.dumps(shown, ensure_ascii=False)
                if args.format == "json"
                else f"{Path(args.files[place]).name}\tlayer {result.layer}\t{result.text}"
            )
    for place in sorted(lines):
        print(lines[place])
    return 1 if feeder.failures else 0
