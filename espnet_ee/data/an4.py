"""CMU AN4 in its original layout -> ``train_nodev``, ``train_dev`` and ``test``.

    python -m espnet_ee.data.an4 downloads/an4 data

The audio may be .sph as distributed, or .wav or .flac. ESPnet's recipe takes the first 100
utterances as development set: eight women, as ids sort by sex. Here every ninth speaker goes to
``train_dev`` until it has 100 utterances. No speaker is in two sets.
"""

from __future__ import annotations

import argparse
import logging
import re
from pathlib import Path

from espnet_ee.data.command import run_command
from espnet_ee.data.kaldi import DataDir, some, write_data_dir
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

SUFFIXES = (".sph", ".wav", ".flac")
LINE = re.compile(r"(?:<s> )?(?P<text>.*?)(?: </s>)? \((?P<name>\S+)\)\s*")
DEV_UTTERANCES = 100  # ESPnet's number
DEV_STEP = 9  # of 74 training speakers: women and men, early and late in the alphabet


def read_set(root: Path, name: str) -> DataDir:
    """Read ``an4_train`` or ``an4_test``.

    ``wav/an4_clstk/fash/an251-fash-b.sph`` becomes utterance ``fash-an251-b`` of ``fash``.

    Raises:
        DataError: files are missing or do not match.
    """
    files = [Path(line) for line in _lines(root, f"{name}.fileids")]
    texts = dict(_transcript(line) for line in _lines(root, f"{name}.transcription"))
    untold = [path.name for path in files if path.name not in texts]
    wavs = {path.name: _audio(root / "wav" / path) for path in files}
    unheard = [stem for stem, wav in wavs.items() if wav is None]
    if untold or unheard or len(texts) != len(files):
        raise DataError(
            f"{root}: {name} is not complete.",
            got=f"{len(files)} files, {len(texts)} transcripts; no transcript: "
            f"{some(untold) or 'none'}; no audio: {some(unheard) or 'none'}",
            want=f"audio ({', '.join(SUFFIXES)}) and a transcript for every line of the fileids",
            fix="unpack the corpus again",
        )
    speakers = {_utt_id(path): path.parent.name for path in files}
    return DataDir(
        {_utt_id(path): str(wavs[path.name]) for path in files},
        {_utt_id(path): texts[path.name] for path in files},
        speakers,
    )


def split_dev(train: DataDir) -> tuple[DataDir, DataDir]:
    """Split into training and development set; no speaker is in both."""
    speakers = train.speakers()
    dev: list[str] = []
    for speaker in list(speakers)[::DEV_STEP]:
        if len(dev) < DEV_UTTERANCES:
            dev += speakers[speaker]
    return train.subset(train.text.keys() - set(dev)), train.subset(set(dev))


def _lines(root: Path, name: str) -> list[str]:
    path = root / "etc" / name
    if not path.is_file():
        raise DataError(
            f"{root} is not the AN4 corpus: etc/{name} is missing.",
            want="etc/an4_{train,test}.{fileids,transcription} and wav/an4{,test}_clstk",
            fix="set AN4 in db.sh to the folder that holds etc and wav",
        )
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def _transcript(line: str) -> tuple[str, str]:
    found = LINE.fullmatch(line)
    if not found:
        raise DataError("AN4 transcript without a file name.", got=line, want="WORDS (name)")
    return found["name"], found["text"].strip()


def _audio(stem: Path) -> Path | None:
    candidates = (stem.with_name(stem.name + suffix) for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def _utt_id(path: Path) -> str:
    """``fash/an251-fash-b`` -> ``fash-an251-b``, as sorting wants the speaker first."""
    speaker = path.parent.name
    return f"{speaker}-{path.name.replace(f'-{speaker}-', '-')}"


def main() -> None:
    parser = argparse.ArgumentParser(description="AN4 -> Kaldi data directories.")
    parser.add_argument("root", type=Path, help="the folder that holds etc and wav")
    parser.add_argument("target", type=Path, help="e.g. data")
    args = parser.parse_args()
    train, dev = split_dev(read_set(args.root, "an4_train"))
    test = read_set(args.root, "an4_test")
    for name, data in (("train_nodev", train), ("train_dev", dev), ("test", test)):
        write_data_dir(args.target / name, data)
        logger.info("%s: %s", name, data.size)


if __name__ == "__main__":
    run_command(main)
