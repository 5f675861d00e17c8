"""Download archives from any of several servers, and unpack them.

    python -m espnet_ee.data.download URL downloads --creates downloads/corpus
    python -m espnet_ee.data.download 12/dev-clean.tar.gz 12/test-clean.tar.gz downloads \
        --creates downloads/LibriSpeech/dev-clean downloads/LibriSpeech/test-clean \
        --mirrors https://www.openslr.org/resources https://us.openslr.org/resources \
        --md5sums md5sum.txt

The same command again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from espnet_ee.data.command import count, run_command
from espnet_ee.data.fetch import ANOTHER_DISK, NotThere, fetch, size_of
from espnet_ee.data.unpack import unpack
from espnet_ee.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

UNPACKED = 1.1  # times the archive: audio hardly compresses, and small files waste some blocks


@dataclass(frozen=True)
class Archive:
    """An archive to be had, and what it makes.

    Attributes:
        urls: the archive on each server.
        path: where it is put.
        creates: what is unpacked of it, or itself; it is not fetched if this exists.
    """

    urls: tuple[str, ...]
    path: Path
    creates: Path

    @property
    def is_unpacked(self) -> bool:
        """Whether the archive is there for what is in it."""
        return self.creates != self.path

    def beside(self, name: str) -> tuple[str, ...]:
        """Another file of the same folders of the servers."""
        return tuple(f"{url.rpartition('/')[0]}/{name}" for url in self.urls)


@dataclass(frozen=True)
class Download:
    """How archives are had.

    Attributes:
        folder: the archives are unpacked as if here.
        md5sums: name of the list of checksums beside the archives; empty: none.
        num_jobs: archives at a time.
        remove: whether an archive is removed when it is unpacked.
    """

    folder: Path
    md5sums: str = ""
    num_jobs: int = 2
    remove: bool = False

    def run(self, archives: Sequence[Archive]) -> None:
        """Make what ``archives`` create, where it is not there already.

        Raises:
            DataError: with what is wrong with each archive; the others are unpacked nevertheless.
        """
        todo = [archive for archive in archives if not archive.creates.exists()]
        for archive in archives:
            if archive not in todo:
                logger.info("%s is there already", archive.creates)
        if not todo:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.check_room(todo)
        checksums = self.checksums([archive for archive in todo if not archive.path.exists()])
        pool = ThreadPoolExecutor(self.num_jobs)
        try:
            outcomes = list(pool.map(lambda archive: self._attempt(archive, checksums), todo))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # Ctrl-C does not wait for gigabytes
        errors = [error for error in outcomes if error is not None]
        if errors:
            raise errors[0] if len(errors) == 1 else DataError("\n".join(map(str, errors)))

    def check_room(self, todo: Sequence[Archive]) -> None:
        """Refuse to begin what cannot end, as far as the servers tell sizes.

        Raises:
            DataError: there is not enough free space.
        """
        sizes = [_bytes_of(archive) for archive in todo]
        partial = (_part_of(archive) for archive in todo)
        loads = sorted((max(size - have, 0) for size, have in zip(sizes, partial, strict=True)))
        kept = loads[-self.num_jobs :] if self.remove else loads
        unpacked = sum(s for s, archive in zip(sizes, todo, strict=True) if archive.is_unpacked)
        need, free = sum(kept) + UNPACKED * unpacked, shutil.disk_usage(self.folder).free
        logger.info("%s: needs %.1f GB, %.1f GB are free", self.folder, need / 1e9, free / 1e9)
        if need > free:
            hint = "" if self.remove else "--remove_archives true, "
            raise DataError(
                f"There is not enough room on the disk of {self.folder}.",
                got=f"{free / 1e9:.1f} GB free",
                want=f"{need / 1e9:.1f} GB: {sum(kept) / 1e9:.1f} to download, the rest unpacked",
                fix=f"free some space; or {hint}or {ANOTHER_DISK}",
            )

    def checksums(self, archives: Sequence[Archive]) -> dict[Path, str]:
        """MD5 by archive; without those of a folder whose servers publish none.

        Raises:
            DataError: no server answers, or an archive is not in its list.
        """
        lists: dict[tuple[str, ...], Mapping[str, str]] = {}
        for urls in {archive.beside(self.md5sums) for archive in archives if self.md5sums}:
            try:
                lists[urls] = self._read_list(urls)
            except NotThere:
                logger.info("%s: no checksums published; only gzip's own are checked", urls[0])
        found = {}
        for archive in archives:
            urls = archive.beside(self.md5sums)
            listed = lists.get(urls)
            if listed is not None and archive.path.name not in listed:
                raise DataError(
                    f"There is no {archive.path.name}.",
                    want=f"one that {urls[0]} lists: {', '.join(sorted(listed))}",
                    fix="check the names of the sets",
                )
            found[archive.path] = listed[archive.path.name] if listed else ""
        return found

    def _read_list(self, urls: Sequence[str]) -> dict[str, str]:
        path = self.folder / f".{self.md5sums}"
        fetch(urls, path)
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        path.unlink()
        pairs = (line.split() for line in lines)
        return {p[1].lstrip("*").rpartition("/")[2]: p[0].lower() for p in pairs if len(p) == 2}

    def _attempt(self, archive: Archive, checksums: Mapping[Path, str]) -> DataError | None:
        """What went wrong, if anything: one archive does not stop the others."""
        try:
            self._make(archive, checksums)
        except DataError as error:
            return error
        return None

    def _make(self, archive: Archive, checksums: Mapping[Path, str]) -> None:
        if not archive.path.exists():
            fetch(archive.urls, archive.path, checksums[archive.path])
        if archive.is_unpacked:
            logger.info("%s: unpacking", archive.path)
            unpack(archive.path, self.folder, archive.creates)
            if self.remove:
                archive.path.unlink()
        logger.info("%s: done", archive.creates)


def _bytes_of(archive: Archive) -> int:
    if archive.path.exists():
        return archive.path.stat().st_size
    return size_of(archive.urls) or 0


def _part_of(archive: Archive) -> int:
    """Bytes that are here already."""
    paths = (archive.path, archive.path.with_name(f"{archive.path.name}.part"))
    return next((path.stat().st_size for path in paths if path.exists()), 0)


def _archive(source: str, folder: Path, creates: Path, mirrors: Sequence[str]) -> Archive:
    urls = (source,) if "://" in source else tuple(f"{m.rstrip('/')}/{source}" for m in mirrors)
    if not urls:
        raise ConfigError("No server is given.", got=source, want="a whole URL, or --mirrors")
    return Archive(urls, folder / source.rpartition("/")[2], creates)


def main() -> None:
    parser = argparse.ArgumentParser(description="Download and unpack archives.")
    parser.add_argument(
        "archives", nargs="+", metavar="ARCHIVE", help="a URL, or a path on MIRRORS"
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--creates", nargs="+", type=Path, required=True, help="one per archive; skip what exists"
    )
    parser.add_argument("--mirrors", nargs="+", default=[], help="servers, tried in turn")
    parser.add_argument("--md5sums", default="", help="list of checksums beside each archive")
    parser.add_argument("--jobs", type=count, default=2, help="archives at a time")
    parser.add_argument("--remove_archives", choices=("true", "false"), default="false")
    args = parser.parse_args()
    if len(args.creates) != len(args.archives):
        parser.error("--creates needs one path for each archive")
    archives = [
        _archive(source, args.folder, creates, args.mirrors)
        for source, creates in zip(args.archives, args.creates, strict=True)
    ]
    download = Download(args.folder, args.md5sums, args.jobs, args.remove_archives == "true")
    download.run(archives)


if __name__ == "__main__":
    run_command(main)
