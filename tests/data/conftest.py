"""A tiny data directory with real audio files, and a server of files that has bad days."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_ee.data.kaldi import DataDir, write_data_dir

MakeSet = Callable[..., Path]


@pytest.fixture
def make_set(tmp_path: Path) -> MakeSet:
    """``make_set(name, utterances=..., seconds=...)`` writes a directory of seeded noise."""

    def make(name: str, utterances: int = 5, seconds: float = 0.2) -> Path:
        folder = tmp_path / name
        (folder / "audio").mkdir(parents=True)
        noise = np.random.default_rng(0)
        ids = [f"spk{n % 2}-{n:03d}" for n in range(utterances)]
        for number, utt_id in enumerate(ids):
            samples = 0.1 * noise.standard_normal(round(16_000 * seconds) + number)
            soundfile.write(folder / "audio" / f"{utt_id}.wav", samples, 16_000)
        wav_scp = {i: str(folder / "audio" / f"{i}.wav") for i in ids}
        data = DataDir(wav_scp, dict.fromkeys(ids, "ONE TWO"), {i: i[:4] for i in ids})
        write_data_dir(folder, data)
        return folder

    return make


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


@pytest.fixture
def make_server() -> Iterator[Callable[[], Server]]:
    """Each call starts another server on this machine."""
    running = []

    def make() -> Server:
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
        running.append((listener, thread))
        served.url = f"http://127.0.0.1:{listener.server_port}"
        return served

    yield make
    for listener, thread in running:
        listener.shutdown()
        listener.server_close()
        thread.join()


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    return make_server()
