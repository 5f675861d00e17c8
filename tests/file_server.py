"""A server of files that has bad days; the fixtures ``server`` and ``make_server`` start it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """Serves ``files``, in the ways that ``faults`` tell.

    Attributes:
        files: path -> content.
        faults: path -> what happens to the next GETs of it: a status, or ``drop`` (half of what
            was asked for comes) or ``no_ranges`` (all comes, whatever was asked for).
        asked: ``METHOD PATH RANGE`` of each request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[int | str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path
        asked = request.headers.get("Range", "")
        self.asked.append(f"{request.command} {path} {asked}".rstrip())
        faults = self.faults.get(path, []) if request.command == "GET" else []
        fault = faults.pop(0) if faults else None
        content = self.files.get(path)
        start = int(asked[6:-1]) if asked and fault != "no_ranges" else 0
        if isinstance(fault, int) or content is None:
            self.head(request, fault if isinstance(fault, int) else 404, {"Content-Length": "0"})
        elif start >= len(content) > 0:
            self.head(request, 416, {"Content-Range": f"bytes */{len(content)}"})
        else:
            rest = content[start:]
            self.head(request, 206 if start else 200, {"Content-Length": str(len(rest))})
            if request.command == "GET":
                request.wfile.write(rest[: len(rest) // 2] if fault == "drop" else rest)

    @staticmethod
    def head(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str]) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()


@contextmanager
def running_server() -> Iterator[Server]:
    """A server on this machine, until the end of the block."""
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    served.url = f"http://127.0.0.1:{listener.server_port}"
    try:
        yield served
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
