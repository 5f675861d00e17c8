"""speechocean762, non-native English -> Kaldi data directories of adults and of children.

    python -m espnet_ee.data.speechocean speechocean762/test data/so

writes ``data/so_adults`` and ``data/so_children``. Source: Zhang et al., arXiv:2104.01378.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from espnet_ee.data.command import run_command
from espnet_ee.data.kaldi import DataDir, read_table, some, write_data_dir
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

ADULT_YEARS = 16  # from this age on: half of the corpus's speakers are younger
GROUPS = ("adults", "children")
_TABLES = ("wav.scp", "text", "utt2spk")


def read_half(half: Path) -> DataDir:
    """Read ``train`` or ``test`` of the corpus; audio files are named from the folder above.

    Speakers are called ``so<number>``, and so begin their utterances, as Kaldi wants it.

    Raises:
        DataError: A table is missing, or the tables do not match.
    """
    wav_scp, text, utt2spk = (read_table(half / name) for name in _TABLES)
    for name, table in zip(_TABLES[1:], (text, utt2spk), strict=True):
        if odd := wav_scp.keys() ^ table.keys():
            raise DataError(f"{half}: wav.scp and {name} do not match.", got=some(odd))
    ids = {utt_id: f"so{utt2spk[utt_id]}-{utt_id}" for utt_id in wav_scp}
    return DataDir(
        {ids[utt_id]: str(half.parent / path) for utt_id, path in wav_scp.items()},
        {ids[utt_id]: words for utt_id, words in text.items()},
        {ids[utt_id]: f"so{speaker}" for utt_id, speaker in utt2spk.items()},
    )


def by_age(half: Path) -> dict[str, DataDir]:
    """Read a half and part it into ``GROUPS``.

    Raises:
        DataError: As ``read_half``, or a speaker has no age.
    """
    data, ages = read_half(half), read_table(half / "spk2age")
    unknown = {speaker for speaker in data.utt2spk.values() if speaker[2:] not in ages}
    if unknown:
        raise DataError(f"{half / 'spk2age'}: speakers have no age.", got=some(unknown))

    def grown_up(utt_id: str) -> bool:
        return int(ages[data.utt2spk[utt_id][2:]]) >= ADULT_YEARS

    adults = {utt_id for utt_id in data.text if grown_up(utt_id)}
    return {"adults": data.subset(adults), "children": data.subset(data.text.keys() - adults)}


def main() -> None:
    parser = argparse.ArgumentParser(description="speechocean762 -> data of adults and children.")
    parser.add_argument("half", type=Path, help="its folder train or test")
    parser.add_argument("target", type=Path, help="_adults and _children are added to it")
    args = parser.parse_args()
    for group, data in by_age(args.half).items():
        target = args.target.with_name(f"{args.target.name}_{group}")
        write_data_dir(target, data)
        logger.info("%s: %s", target, data.size)


if __name__ == "__main__":
    run_command(main)
