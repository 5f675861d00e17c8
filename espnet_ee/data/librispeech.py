"""Parts of a corpus in LibriSpeech's layout -> one Kaldi data directory.

    python -m espnet_ee.data.librispeech LibriSpeech/dev-clean LibriSpeech/dev-other data/dev

Layout: ``PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt`` with audio beside it. ``utt2spk`` holds
speakers, not chapters as in Kaldi's own script: intervals and splits go by speaker.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from espnet_ee.data.command import run_command
from espnet_ee.data.kaldi import DataDir, read_table, some, write_data_dir
from espnet_ee.data.pool import joined
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

SUFFIXES = (".flac", ".wav", ".ogg", ".opus")


def read_part(part: Path) -> DataDir:
    """Read the transcripts of one part and find the audio of each.

    Raises:
        DataError: no transcripts, utterances without audio or audio without transcript.
    """
    text: dict[str, str] = {}
    wav_scp: dict[str, str] = {}
    for transcript in sorted(part.glob("*/*/*.trans.txt")):
        text |= read_table(transcript)
        files = sorted(transcript.parent.iterdir(), key=lambda path: path.suffix)
        wav_scp |= {path.stem: str(path) for path in files if path.suffix in SUFFIXES}
    if not text:
        raise DataError(
            f"{part} holds no transcripts.",
            want="PART/SPEAKER/CHAPTER/*.trans.txt",
            fix="check the path of the corpus",
        )
    _compare(part, set(text), set(wav_scp))
    return DataDir(wav_scp, text, {utt_id: utt_id.split("-")[0] for utt_id in text})


def read_parts(parts: Sequence[Path]) -> DataDir:
    """Read parts as one set; no utterance is in two of them.

    Raises:
        DataError: as ``read_part``, or utterances are there twice.
    """
    return joined((part, read_part(part)) for part in parts)


def _compare(part: Path, transcribed: set[str], recorded: set[str]) -> None:
    problems = [
        f"{len(ids)} {words}: {some(ids)}"
        for words, ids in (
            ("transcripts without audio", transcribed - recorded),
            ("audio files without transcript", recorded - transcribed),
        )
        if ids
    ]
    if problems:
        raise DataError(
            f"{part}: transcripts and audio do not match.",
            got="; ".join(problems),
            fix="unpack the corpus again",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="LibriSpeech layout -> Kaldi data directory.")
    parser.add_argument("parts", nargs="+", type=Path, help="e.g. LibriSpeech/dev-clean")
    parser.add_argument("target", type=Path, help="e.g. data/dev_clean")
    args = parser.parse_args()
    data = read_parts(args.parts)
    write_data_dir(args.target, data)
    logger.info("%s: %s", args.target, data.size)


if __name__ == "__main__":
    run_command(main)
