"""Several Kaldi data directories -> one with the utterances of all.

python -m espnet_ee.data.pool data/local/an4/train data/local/librispeech/train data/train
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from espnet_ee.data.command import run_command
from espnet_ee.data.kaldi import DataDir, read_data_dir, some, write_data_dir
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)


def joined(parts: Iterable[tuple[Path, DataDir]]) -> DataDir:
    """The utterances of all parts, each named by where it comes from.

    Raises:
        DataError: An utterance or a recording is in two of them.
    """
    tables: dict[str, dict[str, str]] = {"wav.scp": {}, "text": {}, "utt2spk": {}}
    whole = DataDir(tables["wav.scp"], tables["text"], tables["utt2spk"])
    for path, part in parts:
        for name, table in tables.items():
            new = part.tables()[name]
            if twice := table.keys() & new.keys():
                raise DataError(
                    f"{path}: utterances are in another part, too.",
                    got=some(twice),
                    want="each utterance in one part",
                    fix="name each part once; unpack the corpus again",
                )
            table.update(new)
        whole = replace(whole, segments={**whole.segments, **part.segments})
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description="Several data directories -> one.")
    parser.add_argument("parts", nargs="+", type=Path, help="sound data directories")
    parser.add_argument("target", type=Path, help="e.g. data/train")
    args = parser.parse_args()
    data = joined((part, read_data_dir(part)) for part in args.parts)
    write_data_dir(args.target, data)
    logger.info("%s: %s", args.target, data.size)


if __name__ == "__main__":
    run_command(main)
