"""Speed perturbation (recipe stage 2): a data directory with faster and slower copies.

The copies have ids ``sp0.9-...``, and the file ``utt2speed`` holds their factors; stage 3 applies
them while it formats the audio, so nothing is stored twice. Source: Ko et al., Interspeech 2015,
"Audio augmentation for speech recognition".
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from espnet_ee.data.command import run_command
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.kaldi import DataDir, read_data_dir, read_table, write_data_dir
from espnet_ee.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

ALLOWED = (0.5, 2.0)  # beyond an octave speech is no longer speech


def perturb(data: DataDir, factors: Sequence[str]) -> tuple[DataDir, dict[str, str]]:
    """A copy of every utterance and speaker per factor, and the factor of each new id.

    Factors stay as typed ("1.10"), as they become part of the ids; 1.0 keeps the plain id.
    """
    wav_scp, text, utt2spk, segments, speeds = {}, {}, {}, {}, {}
    for factor in factors:
        prefix = "" if float(factor) == 1.0 else f"sp{factor}-"
        text.update({f"{prefix}{i}": words for i, words in data.text.items()})
        utt2spk.update({f"{prefix}{i}": f"{prefix}{spk}" for i, spk in data.utt2spk.items()})
        segments.update({f"{prefix}{i}": segment for i, segment in data.segments.items()})
        mark = "" if data.segments else prefix  # all speeds share their recordings
        wav_scp.update({f"{mark}{i}": wav for i, wav in data.wav_scp.items()})
        speeds.update({f"{prefix}{i}": factor for i in data.text})
    return DataDir(wav_scp, text, utt2spk, segments), speeds


def read_speeds(path: Path) -> dict[str, float]:
    """Utterance id -> speed factor; empty when the directory has no ``utt2speed``."""
    table = path / "utt2speed"
    return {i: float(f) for i, f in read_table(table).items()} if table.exists() else {}


def _check(factors: Sequence[str]) -> None:
    try:
        values = [float(factor) for factor in factors]
    except ValueError:
        values = []
    low, high = ALLOWED
    if not values or not all(low <= v <= high for v in values) or len(set(values)) < len(values):
        raise ConfigError(
            "--speed_perturb_factors is not a list of speeds.",
            got=" ".join(factors),
            want=f"different numbers in {low}..{high}",
            fix='--speed_perturb_factors "0.9 1.0 1.1"',
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a speed-perturbed data directory.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--factors", required=True, help='e.g. "0.9 1.0 1.1"')
    args = parser.parse_args()
    factors = args.factors.split()
    _check(factors)
    if args.source.resolve() == args.target.resolve():
        raise DataError(f"Source and target are both {args.source}.", want="two directories")
    data, speeds = perturb(read_data_dir(args.source), factors)
    write_lines_atomic(args.target / "utt2speed", (f"{i} {f}" for i, f in sorted(speeds.items())))
    write_data_dir(args.target, data)
    logger.info("%s: %d utterances at speeds %s", args.target, len(speeds), ", ".join(factors))


if __name__ == "__main__":
    run_command(main)
