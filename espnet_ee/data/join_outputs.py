"""Join what the decoding jobs of one set wrote (recipe stage 12).

``LOGDIR/output.N/[exitNN/]1best_recog/{text,token,token_int,score}`` become
``INFERENCE_TAG[_exitNN]/SET/...``, and the run records one ``INFERENCE_TAG/SET/record.jsonl.gz``.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from espnet_ee.data.command import count, run_command
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.kaldi import read_table, some
from espnet_ee.errors import DataError
from espnet_ee.records import RECORD_NAME, merge_records

logger = logging.getLogger(__name__)

NAMES = ("token", "token_int", "score", "text")  # text last: it says that the rest is there


def join_tables(parts: Sequence[Path], target: Path) -> set[str]:
    """Join files of disjoint utterances into one sorted by id; return the ids.

    Raises:
        DataError: a part is missing, or two jobs decoded the same utterance.
    """
    joined: dict[str, str] = {}
    for part in parts:
        table = read_table(part)
        twice = joined.keys() & table.keys()
        if twice:
            raise DataError(f"{part} repeats utterances of another job.", got=some(twice))
        joined |= table
    write_lines_atomic(target, (f"{i} {value}".rstrip() for i, value in sorted(joined.items())))
    return set(joined)


def join_set(outputs: Sequence[Path], inference_dir: Path, set_name: str, wanted: set[str]) -> None:
    """Join one set, for the run's own choice and for every exit.

    Raises:
        DataError: utterances are missing from the output.
    """
    exits = sorted(path.name for path in outputs[0].glob("exit[0-9][0-9]"))
    for exit_name in ("", *exits):
        suffix = f"_{exit_name}" if exit_name else ""
        target = inference_dir.with_name(inference_dir.name + suffix) / set_name
        for name in NAMES:
            parts = [output / exit_name / "1best_recog" / name for output in outputs]
            lost = wanted - join_tables(parts, target / name)
            if lost:
                raise DataError(
                    f"{target / name}: {len(lost)} of {len(wanted)} utterances were not decoded.",
                    got=some(lost),
                    fix=f"look into {outputs[0].parent}/asr_inference.*.log",
                )
    target = inference_dir / set_name / RECORD_NAME
    merge_records([output / RECORD_NAME for output in outputs], target)
    logger.info("%s: %d utterances, %d exits", inference_dir / set_name, len(wanted), len(exits))


def main() -> None:
    parser = argparse.ArgumentParser(description="Join the outputs of decoding jobs.")
    parser.add_argument("inference_dir", type=Path, help="exp/asr_X/INFERENCE_TAG")
    parser.add_argument("set_name")
    parser.add_argument("--num_jobs", type=count, required=True)
    parser.add_argument("--wav_scp", type=Path, required=True, help="all utterances of the set")
    args = parser.parse_args()
    logdir = args.inference_dir / args.set_name / "logdir"
    outputs = [logdir / f"output.{number}" for number in range(1, args.num_jobs + 1)]
    join_set(outputs, args.inference_dir, args.set_name, set(read_table(args.wav_scp)))


if __name__ == "__main__":
    run_command(main)
