"""One file from one of several servers: resumed where it stopped, checked, in place when whole."""

from __future__ import annotations

import hashlib
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from espnet_ee.data.files import disk_error
from espnet_ee.errors import DataError

logger = logging.getLogger(__name__)

BLOCK = 1 << 20  # bytes
TIMEOUT_SEC = 60.0  # without a single byte
LOG_SEC = 10.0  # between two lines about the same file
ROUNDS = 5  # through all servers without a new byte, then we give up
PAUSE_SEC = 2.0  # after the first such round; doubled after each
BUSY = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
ANOTHER_DISK = "make the download folder a link to a folder there"


class NotThere(DataError):
    """Every server answers that it has no such file."""


class Dropped(Exception):
    """The transfer failed, and may go on later."""


class Refused(Exception):
    """This server will not give us the file; others may."""

    def __init__(self, reason: str, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing


def fetch(urls: Sequence[str], target: Path, md5: str = "", pause_sec: float = PAUSE_SEC) -> None:
    """Fetch a file into ``target``, which appears when it is whole.

    An interrupted transfer goes on from ``TARGET.part``, at whichever server answers.

    Args:
        urls: the same file on one or several servers, tried in turn.
        target: a file that does not exist yet, in a folder that does.
        md5: what the file's checksum must be, in hexadecimal; empty: not known.
        pause_sec: first pause after a round in which no server sent anything, in seconds.

    Raises:
        NotThere: no server has the file.
        DataError: no server gave it to us whole, or the disk is full; what has come is kept.
    """
    part = target.with_name(f"{target.name}.part")
    refusals: dict[str, Refused] = {}
    reasons: dict[str, str] = {}
    idle_rounds = 0
    while idle_rounds < ROUNDS and (left := [url for url in urls if url not in refusals]):
        before = _size(part)
        for url in left:
            try:
                _transfer(url, part)
                _check(part, md5)
            except Refused as refusal:
                refusals[url] = refusal
                reasons[url] = str(refusal)
            except Dropped as drop:
                reasons[url] = str(drop)
            else:
                part.replace(target)
                return
            logger.info("%s: %s", url, reasons[url])
        idle_rounds = 0 if _size(part) > before else idle_rounds + 1
        if len(refusals) < len(urls) and idle_rounds < ROUNDS:
            time.sleep(pause_sec * 2**idle_rounds)
    raise _failed(urls, part, reasons, refusals)


def size_of(urls: Sequence[str]) -> int | None:
    """Bytes of a file, from the first server that tells; None if none does."""
    for url in urls:
        request = urllib.request.Request(url, method="HEAD")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SEC) as response:
                return int(response.headers["Content-Length"])
        except (OSError, http.client.HTTPException, TypeError, ValueError) as error:
            logger.info("%s: size unknown: %s", url, error)
    return None


def _transfer(url: str, part: Path) -> None:
    """Append to ``part`` what is missing of the file."""
    have = _size(part)
    with _open(url, have) as response:
        if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            total = (response.headers["Content-Range"] or "").rpartition("/")[2]
            size = int(total) if total.isdecimal() else 0
        else:
            have = have if response.status == HTTPStatus.PARTIAL_CONTENT else 0
            size = _append(response, part, have)
    got = _size(part)
    if got > size:
        part.unlink()  # it is no beginning of this file
    if got != size:
        raise Dropped(f"{got} of {size} bytes")


def _open(url: str, have: int) -> Any:
    """The response; one that says that there is nothing after byte ``have`` is one too."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT_SEC)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return error
        with error:
            if error.code in BUSY or error.code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise Dropped(str(error)) from None
            missing = error.code in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
            raise Refused(str(error), missing) from None
    except (OSError, http.client.HTTPException) as error:
        raise Dropped(str(error) or type(error).__name__) from None


def _append(response: Any, part: Path, have: int) -> int:
    """Write the body behind byte ``have``; return the size the whole should have."""
    length = response.headers["Content-Length"]
    size = have + int(length) if length else 0
    next_log = time.monotonic() + LOG_SEC
    try:
        with part.open("ab" if have else "wb") as stream:
            for block in _blocks(response):
                stream.write(block)
                if time.monotonic() >= next_log:
                    next_log += LOG_SEC
                    logger.info("%s: %.0f of %.0f MB", part, stream.tell() / 1e6, size / 1e6)
    except OSError as error:
        raise disk_error(error, f"downloading {part}", part.parent, ANOTHER_DISK) from None
    return size if length else _size(part)


def _blocks(response: Any) -> Iterator[bytes]:
    """The body, with errors of the network told apart from those of the disk."""
    try:
        yield from iter(lambda: response.read(BLOCK), b"")
    except (OSError, http.client.HTTPException) as error:
        raise Dropped(str(error) or type(error).__name__) from None


def _check(part: Path, md5: str) -> None:
    if not md5:
        return
    with part.open("rb") as stream:
        got = hashlib.file_digest(stream, "md5").hexdigest()
    if got != md5:
        part.unlink()
        raise Refused(f"checksum is {got} instead of {md5}; what had come was removed")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _failed(
    urls: Sequence[str], part: Path, reasons: dict[str, str], refusals: dict[str, Refused]
) -> DataError:
    got = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
    if len(refusals) == len(urls) and all(refusal.missing for refusal in refusals.values()):
        return NotThere(
            f"No server has {part.stem}.", got=got, fix="check the address in local/data.sh"
        )
    goes_on = f", it goes on from {part}" if part.exists() else ""
    return DataError(
        f"Download of {part.stem} failed.",
        got=got,
        fix=f"run the same command again{goes_on}; or put the file at {part.with_suffix('')}",
    )
