"""``python -m espnet_ee.bin.asr_inference``: decode a Kaldi data directory at every exit.

Options are spelt as in ESPnet's ``asr_inference``; ours are ``--policy`` and ``--threshold``.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from espnet_ee.bin.main import Parser
from espnet_ee.bin.options import (
    add_search_options,
    check_device,
    positive,
    search_of,
    stopping_of,
    threshold,
)
from espnet_ee.bin.resources import add_limit_options, check_resources, limits_of, use_profile
from espnet_ee.errors import ConfigError, EspnetEEError
from espnet_ee.precision import add_precision_option, use_precision
from espnet_ee.spelling import nearest


def get_parser() -> Parser:
    """All options; a YAML file given by ``--config`` may hold any of them."""
    parser = Parser(
        prog="asr_inference",
        description="Decode a Kaldi data directory at every exit; write texts and the record.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--config", help="YAML file with any of the options below")
    parser.add_argument("--asr_train_config", help="config.yaml written by training")
    parser.add_argument("--asr_model_file", help="checkpoint")
    parser.add_argument(
        "--data_path_and_name_and_type",
        action="append",
        metavar="WAV_SCP,speech,sound",
        help="audio files; text and utt2spk beside wav.scp go into the record",
    )
    parser.add_argument("--key_file", help="decode the ids in its first column only")
    parser.add_argument("--output_dir", help="folder of the results")
    parser.add_argument("--policy", default="layer", help="exit rule of what 1best_recog holds")
    parser.add_argument("--threshold", type=threshold, help="in the policy's unit")
    parser.add_argument("--rule", help="YAML of espnet-ee calibrate: policy and threshold")
    add_limit_options(parser, "_")
    add_search_options(parser, "_")
    add_precision_option(parser, "_")
    parser.add_argument(
        "--batch_size", type=positive, default=16, help="utterances decoded together"
    )
    parser.add_argument("--ngpu", type=int, default=0, choices=(0, 1), help="1 decodes on a GPU")
    parser.add_argument("--num_threads", type=positive, default=1, help="of torch on the CPU")
    parser.add_argument("--seed", type=int, default=0, help="recorded; greedy decoding needs none")
    parser.add_argument(
        "--log_level",
        default="INFO",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        help="how much",
    )
    return parser


def parse(cmd: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line over those of ``--config``.

    Raises:
        ConfigError: An unknown key in the YAML, or a required option is missing.
    """
    parser = get_parser()
    args = parser.parse_args(cmd)
    if args.config:
        parser.set_defaults(**_read_yaml(Path(args.config), vars(args)))
        args = parser.parse_args(cmd)
    required = ("asr_train_config", "asr_model_file", "data_path_and_name_and_type", "output_dir")
    missing = [f"--{name}" for name in required if not getattr(args, name)]
    if missing:
        raise ConfigError(f"asr_inference needs {', '.join(missing)}.")
    return args


def main(cmd: Sequence[str] | None = None) -> int:
    """Decode; exit code 1 if anything could not be decoded."""
    try:
        args = parse(cmd)
        logging.basicConfig(
            level=args.log_level, format="%(asctime)s (%(module)s) %(levelname)s: %(message)s"
        )
        return run(args)
    except EspnetEEError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1


def run(args: argparse.Namespace) -> int:
    """Decode one data directory."""
    import torch

    check_resources(args)
    policy, limit, rule = stopping_of(args.policy, args.threshold, args.rule)
    limits = limits_of(args)
    torch.set_num_threads(args.num_threads)
    use_precision(args.float32_matmul_precision)

    from espnet_ee.host.checkpoint import load_model
    from espnet_ee.host.decode_set import DecodeJob, decode_set
    from espnet_ee.host.inference import EarlyExitSpeech2Text

    device = check_device("cuda" if args.ngpu else "cpu")
    loaded = load_model(Path(args.asr_train_config), Path(args.asr_model_file), device)
    if rule is not None:
        rule.check_model(loaded.sha256, loaded.model.encoder.exit_layers)
    asr = EarlyExitSpeech2Text(loaded, device, args.batch_size, search_of(args))
    use_profile(args, asr)
    job = DecodeJob(
        wav_scp=_wav_scp(args.data_path_and_name_and_type),
        out=Path(args.output_dir),
        key_file=Path(args.key_file) if args.key_file else None,
        policy=policy,
        threshold=limit,
        seed=args.seed,
        limits=limits,
    )
    failures = decode_set(asr, job)
    if failures:
        logging.error("%d utterances could not be decoded: %s", len(failures), ", ".join(failures))
    return 1 if failures else 0


def _wav_scp(triples: Sequence[str]) -> Path:
    """The file of the one triple ``PATH,speech,sound``."""
    parts = triples[0].split(",")
    if len(triples) != 1 or parts[1:] != ["speech", "sound"]:
        raise ConfigError(
            "--data_path_and_name_and_type is not one list of audio files.",
            got=" ".join(triples),
            want="DIR/wav.scp,speech,sound",
        )
    return Path(parts[0])


def _read_yaml(path: Path, known: dict[str, Any]) -> dict[str, Any]:
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise ConfigError(f"inference configuration {path} does not exist.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"inference configuration {path} is not YAML.", got=str(error)) from error
    unknown = [f"{key}{nearest(key, known)}" for key in settings if key not in known]
    if unknown:
        raise ConfigError(f"{path} has keys that no option reads.", got=", ".join(unknown))
    return dict(settings)


if __name__ == "__main__":
    sys.exit(main())
