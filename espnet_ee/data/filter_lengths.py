"""Leave out training utterances that are too long, too short or have no text (recipe stage 4)."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from espnet_ee.data.audio import RATE
from espnet_ee.data.command import rate, run_command, seconds
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.kaldi import DataDir, read_data_dir, read_table, some, write_data_dir
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)


def reasons_to_drop(
    data: DataDir, seconds: dict[str, float], min_sec: float, max_sec: float
) -> dict[str, list[str]]:
    """Reason -> utterance ids; both bounds are themselves left out, as in ESPnet."""
    return {
        f"not longer than {min_sec:g} s": [i for i in seconds if seconds[i] <= min_sec],
        f"not shorter than {max_sec:g} s": [i for i in seconds if seconds[i] >= max_sec],
        "no text": [i for i, text in data.text.items() if not text],
    }


def filter_lengths(source: Path, target: Path, rate: int, min_sec: float, max_sec: float) -> int:
    """Write to ``target`` what is worth training on; return how many utterances that is.

    Raises:
        DataError: nothing is left.
    """
    data = read_data_dir(source)
    num_samples = {i: int(n) for i, n in read_table(source / "utt2num_samples").items()}
    seconds = {i: n / rate for i, n in num_samples.items()}
    dropped: set[str] = set()
    for reason, ids in reasons_to_drop(data, seconds, min_sec, max_sec).items():
        dropped |= set(ids)
        if ids:
            logger.info("%s: %d left out, %s: %s", source, len(ids), reason, some(ids))
    kept = data.subset(data.wav_scp.keys() - dropped)
    if not kept.wav_scp:
        low, high = min(seconds.values()), max(seconds.values())
        raise DataError(
            f"{source}: no utterance is left after filtering.",
            got=f"{low:.2f} to {high:.2f} seconds, {sum(map(bool, data.text.values()))} with text",
            want=f"text, and more than {min_sec:g} and less than {max_sec:g} seconds",
            fix="change --min_wav_duration or --max_wav_duration",
        )
    write_lines_atomic(
        target / "utt2num_samples", (f"{i} {num_samples[i]}" for i in sorted(kept.wav_scp))
    )
    write_data_dir(target, kept)
    logger.info("%s: %d of %d utterances kept", target, len(kept.wav_scp), len(data.wav_scp))
    return len(kept.wav_scp)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--fs", type=rate, default=RATE, help="Hz; 16k means 16000")
    parser.add_argument("--min_wav_duration", type=seconds, default=0.2, help="seconds")
    parser.add_argument("--max_wav_duration", type=seconds, default=20.0, help="seconds")
    args = parser.parse_args()
    filter_lengths(args.source, args.target, args.fs, args.min_wav_duration, args.max_wav_duration)


if __name__ == "__main__":
    run_command(main)
