"""Transcripts as the text of a file or of a line on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from espnet_ee.decoding.subtitles import ctm, cues_of, srt, vtt
from espnet_ee.decoding.words import Word
from espnet_ee.host.recognition import Recognition
from espnet_ee.host.transcription import Transcript

TIMES = ("words", "timed_tokens")


def render(file: str, transcript: Transcript, form: str) -> str:
    """What a transcript says, whole lines; ``form`` is a key of ``FORMS``."""
    return FORMS[form](file, transcript)


def ctm_name(file: str) -> str:
    """What a CTM file calls an audio file: its name without the ending and without spaces."""
    return "_".join(Path(file).stem.split())


def _text(file: str, transcript: Transcript) -> str:
    """One line; where there are times, one per subtitle."""
    where = f"{file}\t{_layers(transcript)}\t"
    if transcript.words is None:
        return f"{where}{transcript.text}\n"
    return "".join(
        f"{where}{cue.start_sec:.2f}\t{cue.end_sec:.2f}\t{cue.text}\n"
        for cue in cues_of(transcript.words)
    )


def _layers(transcript: Transcript) -> str:
    taken = sorted({piece.recognition.layer for piece in transcript.pieces})
    layers = f"layer {taken[0]}" if len(taken) == 1 else f"layers {taken[0]}-{taken[-1]}"
    count = len(transcript.pieces)
    layers = layers if count == 1 else f"{layers}, {count} pieces"
    notes = _limits(transcript)
    return f"{layers} ({', '.join(notes)})" if notes else layers


def _limits(transcript: Transcript) -> list[str]:
    """The limits that stopped a piece, and those that even its first exit exceeds."""
    results = [piece.recognition for piece in transcript.pieces]
    stopped = {result.limited: None for result in results if result.limited}
    exceeded = {f"exceeds {name}": None for result in results for name in result.exceeded}
    return [*stopped, *exceeded]


def _json(file: str, transcript: Transcript) -> str:
    """One line: the recognition's fields; of what was cut, the whole's and those of each piece."""
    if len(transcript.pieces) == 1:
        shown = {"file": file, **_fields(transcript.pieces[0].recognition)}
    else:
        shown = {
            "file": file,
            "text": transcript.text,
            "gflops": transcript.gflops,
            "seconds": transcript.seconds,
            "pieces": [
                {
                    "start_sec": piece.start_sec,
                    "end_sec": piece.end_sec,
                    **_without_times(_fields(piece.recognition)),
                }
                for piece in transcript.pieces
            ],
        }
        if transcript.words is not None:
            shown["words"] = [asdict(word) for word in transcript.words]
    return json.dumps(shown, ensure_ascii=False) + "\n"


def _fields(result: Recognition) -> dict[str, Any]:
    fields = asdict(result)
    return fields if result.words is not None else _without_times(fields)


def _without_times(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in TIMES}


def _timed(transcript: Transcript) -> tuple[Word, ...]:
    assert transcript.words is not None, "recognised with timestamps"
    return transcript.words


FORMS: Mapping[str, Callable[[str, Transcript], str]] = {
    "text": _text,
    "json": _json,
    "srt": lambda file, transcript: srt(_timed(transcript)),
    "vtt": lambda file, transcript: vtt(_timed(transcript)),
    "ctm": lambda file, transcript: ctm(ctm_name(file), _timed(transcript)),
}
