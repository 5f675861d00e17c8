"""Sets that two systems decoded: the same utterances, row by row. U utterances, E exits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from espnet_ee.comparison.alignment import Slots, errors_at_slots
from espnet_ee.comparison.development import Development
from espnet_ee.data.kaldi import some
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.records import RECORD_NAME, Record, read_record
from espnet_ee.report.experiment import name_is_dev
from espnet_ee.scored_set import ScoredSet, check_same_model, pool, score_set
from espnet_ee.scoring import IntArray, references_of
from espnet_ee.statistics import Units, units_of


@dataclass(frozen=True)
class Source:
    """The records of one system.

    Attributes:
        path: As given.
        tags: Inference tag -> set -> its record.
        only: The one set that was asked for; None: all.
    """

    path: str
    tags: Mapping[str, Mapping[str, Path]]
    only: str | None = None

    def wanted(self, tag: str) -> list[str]:
        """Names of the sets that may be compared."""
        return [self.only] if self.only else list(self.tags[tag])


@dataclass(frozen=True)
class System:
    """One system on one set.

    Attributes:
        scored: Rows as in ``texts``.
        dev: The sets to choose thresholds on; None: there are none.
        texts: Of each utterance and exit, ``(U, E)``.
    """

    scored: ScoredSet
    dev: Development | None
    texts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Pair:
    """One set that two systems decoded.

    Attributes:
        name: Of the set, with the inference tag where there are several.
        first: One system.
        second: The other; its rows are in the order of the first's.
        references: ``U`` texts.
        units: What is resampled and swapped: speakers, if they are known.
        same_record: Whether both are one file.
    """

    name: str
    first: System
    second: System
    references: tuple[str, ...]
    units: Units
    same_record: bool = False

    @cached_property
    def slots(self) -> Slots:
        """Of the references."""
        return Slots.of(self.references)

    @cached_property
    def slot_errors(self) -> tuple[IntArray, IntArray]:
        """Of both systems, each ``(S, E)``."""
        first, second = (
            errors_at_slots(self.references, system.texts) for system in (self.first, self.second)
        )
        return first, second


def find_records(path: str | Path) -> Source:
    """Find the records of an experiment, of an inference tag below it, or of one set.

    Raises:
        DataError: There are none.
    """
    folder = Path(path)
    if folder.is_file() or (folder / RECORD_NAME).is_file():
        return _one_record(folder)
    for pattern in (f"*/{RECORD_NAME}", f"*/*/{RECORD_NAME}"):
        tags: dict[str, dict[str, Path]] = {}
        for found in sorted(folder.glob(pattern)):
            tags.setdefault(found.parent.parent.resolve().name, {})[found.parent.name] = found
        if tags:
            return Source(str(path), tags)
    raise DataError(
        f"No record at {path}.",
        want=f"an experiment EXP with EXP/<inference_tag>/<set>/{RECORD_NAME}, a folder of it, "
        "or a record",
        fix="decode first (stage 12)",
    )


def _one_record(path: Path) -> Source:
    """A record, and those of the sets beside it, where thresholds may be chosen."""
    if path.is_file() and path.name != RECORD_NAME:
        name = read_record(path).header.set_name
        return Source(str(path), {path.parent.resolve().name: {name: path}}, only=name)
    own = (path.parent if path.is_file() else path).resolve()
    beside = {found.parent.name: found for found in sorted(own.parent.glob(f"*/{RECORD_NAME}"))}
    return Source(str(path), {own.parent.name: beside}, only=own.name)


def pair_up(first: Source, second: Source, dev: Sequence[str] = ()) -> Iterator[Pair]:
    """Read and score what both have, one set after another.

    Args:
        first: One system.
        second: The other.
        dev: Names of the sets to choose thresholds on; default: those with ``dev`` in the name.

    Raises:
        DataError: No tag or set in common, other utterances, references or speakers.
        ConfigError: One of ``dev`` was not decoded.
    """
    tags = _common_tags(first, second)
    for tag, other in tags:
        devs = _dev_of(first, tag, dev), _dev_of(second, other, dev)
        for name, theirs in _common_sets(first, second, tag, other, dev):
            files = first.tags[tag][name], second.tags[other][theirs]
            label = f"{tag}/{name}" if len(tags) > 1 else name
            yield _read_pair(label, files, (None, None) if name_is_dev(name, dev) else devs)


def _common_tags(first: Source, second: Source) -> list[tuple[str, str]]:
    if len(first.tags) == len(second.tags) == 1:
        return list(zip(first.tags, second.tags, strict=True))
    both = [(tag, tag) for tag in first.tags if tag in second.tags]
    if not both:
        many = first if len(first.tags) > 1 else second
        raise DataError(
            "The two were decoded in several ways, none of which they share.",
            got=f"{', '.join(first.tags)}; {', '.join(second.tags)}",
            fix=f"name one way, such as {many.path}/{next(iter(many.tags))}",
        )
    return both


def _common_sets(
    first: Source, second: Source, tag: str, other: str, dev: Sequence[str]
) -> list[tuple[str, str]]:
    """Names of the sets to compare in both; development sets only if there is nothing else."""
    if first.only and second.only:
        return [(first.only, second.only)]
    one, two = first.wanted(tag), second.wanted(other)
    both = [name for name in one if name in two]
    if not both:
        raise DataError(
            "No set was decoded by both.",
            got=f"{', '.join(one)} by {first.path}; {', '.join(two)} by {second.path}",
            want="sets of the same name, or two records",
        )
    tests = [name for name in both if not name_is_dev(name, dev)]
    return [(name, name) for name in tests or both]


def _dev_of(source: Source, tag: str, dev: Sequence[str]) -> Development | None:
    paths = source.tags[tag]
    missing = [name for name in dev if name not in paths]
    if missing:
        raise ConfigError(
            f"A set to choose thresholds on was not decoded by {source.path}.",
            got=", ".join(missing),
            want=f"of {', '.join(paths)}",
        )
    sets = [score_set(read_record(paths[name])) for name in paths if name_is_dev(name, dev)]
    return Development(pool(sets)) if sets else None


def _read_pair(
    name: str, files: tuple[Path, Path], devs: tuple[Development | None, Development | None]
) -> Pair:
    same = files[0].resolve() == files[1].resolve()
    record = read_record(files[0])
    other = record if same else _reordered(read_record(files[1]), record, files)
    first, second = _system(record, devs[0]), _system(other, devs[1])
    speakers = _speakers(first.scored, second.scored, files)
    references = tuple(_words(text) for text in references_of(record))
    return Pair(name, first, second, references, units_of(speakers), same)


def _system(record: Record, dev: Development | None) -> System:
    scored = score_set(record)
    if dev is not None:
        check_same_model([dev.scored, scored])
    texts = tuple(tuple(_words(exit.text) for exit in u.exits) for u in record.utterances)
    return System(scored, dev, texts)


def _reordered(record: Record, like: Record, files: tuple[Path, Path]) -> Record:
    """The utterances of ``record`` in the order of ``like``, which must be the same ones."""
    theirs = {utterance.utt_id: utterance for utterance in record.utterances}
    ours = {utterance.utt_id for utterance in like.utterances}
    for alone, path in ((ours - theirs.keys(), files[0]), (theirs.keys() - ours, files[1])):
        if alone:
            raise DataError(
                f"{files[0]} and {files[1]} hold different utterances.",
                got=f"{len(alone)} only in {path}: {some(alone)}",
                want="the same set, decoded twice",
            )
    ordered = replace(record, utterances=tuple(theirs[u.utt_id] for u in like.utterances))
    pairs = zip(like.utterances, references_of(like), references_of(ordered), strict=True)
    other = [u.utt_id for u, one, two in pairs if _words(one) != _words(two)]
    if other:
        raise DataError(
            f"{files[0]} and {files[1]} have different references.",
            got=f"{len(other)} utterances: {some(other)}",
            want="one reference for each utterance",
            fix="decode both from the same data directory",
        )
    return ordered


def _speakers(
    first: ScoredSet, second: ScoredSet, files: tuple[Path, Path]
) -> tuple[str | None, ...]:
    """Those of the record that knows them all, of the first if both do."""
    if None in first.speakers:
        return second.speakers
    if None not in second.speakers and first.speakers != second.speakers:
        raise DataError(
            f"{files[0]} and {files[1]} name different speakers.",
            want="one speaker for each utterance",
        )
    return first.speakers


def _words(text: str) -> str:
    return " ".join(text.split())
