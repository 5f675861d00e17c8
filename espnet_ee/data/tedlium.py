"""TED-LIUM release 3 in its original layout -> ``train``, ``dev`` and ``test`` with segments.

    python -m espnet_ee.data.tedlium downloads/TEDLIUM_release-3 data --data_type legacy

Ids, speakers, texts and the padding of training segments are those of Kaldi's and ESPnet's recipes:
a talk is a speaker. The audio stays where it is; ``segments`` says which parts of it are used.
"""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from espnet_ee.data.audio import audio_seconds
from espnet_ee.data.command import run_command
from espnet_ee.data.kaldi import DataDir, some, write_data_dir
from espnet_ee.data.segments import Segment
from espnet_ee.data.stm import Turn, read_stm
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

FOLDER = "TEDLIUM_release-3"
SETS = ("train", "dev", "test")
# legacy: the dev and test talks of releases 1 and 2, ESPnet's default; speaker-adaptation: the
# repartition of arXiv:1805.04699; release-3: training on data/, dev and test of legacy.
DATA_TYPES = ("legacy", "speaker-adaptation", "release-3")
PADDING_SEC = (0.15, 0.1)  # before and after training segments, which are cut too close; Kaldi's
OVERSHOOT_SEC = 0.5  # how far a turn may end after its talk and is cut there; Kaldi's


@dataclass(frozen=True)
class Talk:
    """One recording: its audio and what is said in it."""

    audio: Path
    seconds: float
    turns: Sequence[Turn]


def stm_files(root: Path, data_type: str, name: str) -> list[Path]:
    """The transcripts of a set.

    Raises:
        DataError: the corpus does not have them.
    """
    if data_type == "release-3" and name == "train":
        held_out = {path.stem for path in root.glob("legacy/[dt]e*/stm/*.stm")}
        found = [path for path in root.glob("data/stm/*.stm") if path.stem not in held_out]
    else:
        distribution = "legacy" if data_type == "release-3" else data_type
        found = list(root.glob(f"{distribution}/{name}/stm/*.stm"))
        listed = root / distribution / f"{name}.lst"
        if not found and listed.is_file():
            found = _listed(root, listed)
    if not found:
        raise DataError(
            f"{root}: no transcripts of the {data_type} set {name}.",
            got=f"folders {some(path.name for path in root.glob('*/')) or 'none'}",
            want="data/stm and legacy/{train,dev,test}/stm; for speaker-adaptation also "
            "speaker-adaptation/{train,dev,test}/stm or .lst",
            fix="set TEDLIUM3 in db.sh to the folder TEDLIUM_release-3, or choose another "
            '--local_data_opts "--data_type legacy"',
        )
    return sorted(found)


def read_talks(root: Path, stms: Iterable[Path]) -> list[Talk]:
    """Transcripts with their recordings.

    Raises:
        DataError: transcripts are damaged, audio is missing, or a turn is beyond the end of it.
    """
    talks, missing = [], []
    for stm in stms:
        turns: dict[str, list[Turn]] = {}
        for turn in read_stm(stm):
            turns.setdefault(turn.recording, []).append(turn)
        for recording in turns:
            audio = _audio(root, stm, recording)
            if audio is None:
                missing.append(f"{stm.parent.parent / 'sph' / recording}.sph")
            else:
                talks.append(Talk(audio, audio_seconds(audio), turns[recording]))
    if missing:
        raise DataError(
            f"{root}: transcripts without audio: {len(missing)}.",
            got=some(missing),
            want="an .sph file beside each .stm, or in data/sph",
            fix="unpack the corpus again",
        )
    _check_ends(root, talks)
    return talks


def pad(spans: Sequence[tuple[float, float]], total_sec: float) -> list[tuple[float, float]]:
    """Widen turns, ordered by time, by ``PADDING_SEC`` within the recording.

    Neighbours that are too close share the pause between them; nobody gets a part of another turn.
    """
    before, after = PADDING_SEC
    borders = [(-total_sec, 0.0), *spans, (total_sec, 2 * total_sec)]
    pauses = [max(0.0, right[0] - left[1]) for left, right in pairwise(borders)]
    shares = [min(1.0, pause / (before + after)) for pause in pauses]
    # At the borders of the file there is nobody to share with.
    fronts = [min(before, pauses[0]), *(before * share for share in shares[1:-1])]
    backs = [*(after * share for share in shares[1:-1]), min(after, pauses[-1])]
    return [
        (start - front, end + back)
        for (start, end), front, back in zip(spans, fronts, backs, strict=True)
    ]


def make_set(talks: Sequence[Talk], padded: bool) -> DataDir:
    """A data directory with an utterance per turn.

    Raises:
        DataError: two turns have the same id.
    """
    wav_scp: dict[str, str] = {}
    text: dict[str, str] = {}
    segments: dict[str, Segment] = {}
    places: dict[str, str] = {}
    for talk in talks:
        turns = sorted(talk.turns, key=lambda turn: turn.start_sec + turn.end_sec)
        spans = [(turn.start_sec, min(turn.end_sec, talk.seconds)) for turn in turns]
        spans = pad(spans, talk.seconds) if padded else spans
        for turn, (start_sec, end_sec) in zip(turns, spans, strict=True):
            utt_id = _utt_id(turn)
            if utt_id in text:
                raise DataError(f"{turn.place} is there twice.", got=places[utt_id], fix="drop one")
            places[utt_id] = turn.place
            wav_scp[turn.recording] = str(talk.audio)
            text[utt_id] = turn.text
            segments[utt_id] = Segment(turn.recording, start_sec, end_sec)
    return DataDir(wav_scp, text, {i: segments[i].recording for i in segments}, segments)


def _utt_id(turn: Turn) -> str:
    """Kaldi's: hundredths of seconds before padding, cut off as awk's %d does."""
    return f"{turn.recording}-{int(turn.start_sec * 100):07d}-{int(turn.end_sec * 100):07d}"


def _listed(root: Path, listed: Path) -> list[Path]:
    """The transcripts whose names a file lists: of data/, else of legacy/ (its dev and test)."""
    names = [Path(line.strip()).stem for line in listed.read_text(encoding="utf-8").split("\n")]
    known = {path.stem: path for path in root.glob("legacy/*/stm/*.stm")}
    known |= {path.stem: path for path in root.glob("data/stm/*.stm")}
    unknown = [name for name in names if name and name not in known]
    if unknown:
        raise DataError(f"{listed} names talks without transcript.", got=some(unknown))
    return [known[name] for name in names if name]


def _audio(root: Path, stm: Path, recording: str) -> Path | None:
    """Beside the transcript; else in data/, where the links of legacy/ lead if they were lost."""
    candidates = [
        stm.parent.parent / "sph" / f"{recording}.sph",
        root / f"data/sph/{recording}.sph",
    ]
    return next((path for path in candidates if path.is_file()), None)


def _check_ends(root: Path, talks: Sequence[Talk]) -> None:
    over = [(turn, talk) for talk in talks for turn in talk.turns if turn.end_sec > talk.seconds]
    late = [
        f"{turn.place}: {turn.start_sec:g} to {turn.end_sec:g} s of {talk.seconds:.2f} s"
        for turn, talk in over
        if turn.end_sec > talk.seconds + OVERSHOOT_SEC or turn.start_sec >= talk.seconds
    ]
    if late:
        raise DataError(
            f"{root}: {len(late)} turns are beyond the end of their recording.",
            got=some(late),
            fix="unpack the corpus again, or make these lines comments: ;; in front of them",
        )
    if over:
        logger.info("%s: %d turns end up to %g s late, cut", root, len(over), OVERSHOOT_SEC)


def write_sets(root: Path, target: Path, data_type: str) -> None:
    """Write ``target/train``, ``dev`` and ``test``.

    Raises:
        DataError: the corpus is not complete or damaged, or a talk is in two sets.
    """
    if (root / FOLDER).is_dir():  # ESPnet's TEDLIUM3 is the folder above
        root = root / FOLDER
    sets = {name: stm_files(root, data_type, name) for name in SETS}
    counts = Counter(stm.stem for stms in sets.values() for stm in stms)
    shared = [talk for talk, count in counts.items() if count > 1]
    if shared:
        raise DataError(f"{root}: talks in two sets.", got=some(shared), want="one set each")
    for name, stms in sets.items():
        talks = read_talks(root, stms)
        data = make_set(talks, padded=name == "train")
        write_data_dir(target / name, data)
        hours = sum(segment.seconds for segment in data.segments.values()) / 3600
        logger.info("%s: %d turns of %d talks, %.2f hours", name, len(data.text), len(talks), hours)


def main() -> None:
    parser = argparse.ArgumentParser(description="TED-LIUM 3 -> Kaldi data directories.")
    parser.add_argument("root", type=Path, help="the folder TEDLIUM_release-3")
    parser.add_argument("target", type=Path, help="e.g. data")
    parser.add_argument("--data_type", choices=DATA_TYPES, default="legacy", help="which split")
    args = parser.parse_args()
    write_sets(args.root, args.target, args.data_type)


if __name__ == "__main__":
    run_command(main)
