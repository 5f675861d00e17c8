"""Synthetic records for tests and timing: random words, errors that fall with depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from espnet_ee.records import (
    ExitHypothesis,
    Record,
    RecordedPolicy,
    RecordHeader,
    RecordWriter,
    UtteranceRecord,
)

WORDS = tuple(f"{first}{second}" for first in "BDFGKLMNPRST" for second in ("AY", "EE", "OW", "UH"))


def make_header(
    set_name: str = "test", exits: Sequence[int] = (2, 4, 6), **changes
) -> RecordHeader:
    header = RecordHeader(
        set_name=set_name,
        exits=tuple(exits),
        num_layers=exits[-1],
        policies={
            "entropy": RecordedPolicy("-nats/frame", 3, True),
            "confidence": RecordedPolicy("probability", 1, True),
        },
        config="exp/asr_toy/config.yaml",
        checkpoint_path="exp/asr_toy/valid.cer_ctc.best.pth",
        checkpoint_sha256="0123456789abcdef" * 4,
        versions={"python": "3.11.2", "torch": "2.11.0", "espnet": "202511", "espnet_ee": "0.1.0"},
        seed=0,
        threads=1,
        num_parameters=1_300_000,
        vocab_size=500,
        floor_gflops_per_second=0.06,
    )
    return replace(header, **changes)


def make_record(
    utterances: int = 40,
    exits: Sequence[int] = (2, 4, 6),
    *,
    seed: int = 0,
    speakers: int = 5,
    words: tuple[int, int] = (3, 12),
    noise: float = 1.0,
    **changes,
) -> Record:
    """Make a record whose scores say something, but not all, about the errors."""
    rng = np.random.default_rng(seed)
    header = make_header(exits=exits, **changes)
    made = tuple(
        _make_utterance(number, header, rng, speakers, words, noise) for number in range(utterances)
    )
    return Record(header, made)


def _make_utterance(number, header, rng, speakers, words, noise) -> UtteranceRecord:
    reference = list(rng.choice(WORDS, rng.integers(*words)))
    difficulty = rng.gamma(2.0, 0.5) * noise
    hypotheses, seconds = [], 0.4 * len(reference) + 0.5
    for layer in header.exits:
        share = layer / header.num_layers
        rate = min(0.9, 0.06 * difficulty + 0.5 * difficulty * (1 - share) ** 2)
        text = [_err(word, rng) if rng.random() < rate else word for word in reference]
        entropy = rate * rng.lognormal(0.0, 0.35)
        scores = {"entropy": -entropy, "confidence": float(np.exp(-entropy * rng.uniform(0.5, 1)))}
        kept = {name: scores.get(name, rng.random()) for name in header.policies}
        tokens = tuple(int(token) for token in rng.integers(1, 500, 2 * len(text)))
        hypotheses.append(ExitHypothesis(" ".join(filter(None, text)), tokens, kept))
    body = [
        seconds * (header.floor_gflops_per_second or 0.0) + 0.08 * seconds * layer
        for layer in header.exits
    ]
    speaker = f"spk{number % speakers:02d}"
    return UtteranceRecord(
        utt_id=f"{speaker}-{number:05d}",
        speaker=speaker,
        ref=" ".join(reference),
        seconds=seconds,
        frames=int(seconds * 12.5),
        body_gflops=tuple(body),
        head_gflops=tuple([0.01 * seconds] * len(header.exits)),
        text_gflops=(0.0,) * len(header.exits),
        exits=tuple(hypotheses),
    )


def _err(word: str, rng: np.random.Generator) -> str:
    """Delete, double or replace a word."""
    kind = rng.integers(0, 6)
    if kind == 0:
        return ""
    return f"{word} {rng.choice(WORDS)}" if kind == 1 else str(rng.choice(WORDS))


def save(record: Record, path: str | Path) -> Path:
    """Write ``record`` and return its path."""
    with RecordWriter(path, record.header) as writer:
        for utterance in record.utterances:
            writer.write(utterance)
    return Path(path)


def table_record(texts: Sequence[Sequence[str]], references: Sequence[str], **scores) -> Record:
    """Make a record with the given texts (U, E), and optionally scores (U, E) by policy."""
    exits = tuple(range(1, len(texts[0]) + 1))
    header = make_header(
        exits=exits, policies=dict.fromkeys(scores, RecordedPolicy("unit", 0, True))
    )
    utterances = tuple(
        UtteranceRecord(
            utt_id=f"utt{row}",
            speaker=None,
            ref=reference,
            seconds=1.0 + row,
            frames=10,
            body_gflops=tuple(2.0 * layer for layer in exits),
            head_gflops=(0.5,) * len(exits),
            text_gflops=(0.0,) * len(exits),
            exits=tuple(
                ExitHypothesis(text, (), {name: table[row][e] for name, table in scores.items()})
                for e, text in enumerate(texts[row])
            ),
        )
        for row, reference in enumerate(references)
    )
    return Record(header, utterances)
