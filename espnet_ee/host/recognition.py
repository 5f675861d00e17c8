"""What ``EarlyExitSpeech2Text`` returns for one utterance."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_ee.cost import UtteranceCost
from espnet_ee.decoding.early_exit import ScoredExit
from espnet_ee.decoding.words import Word


@dataclass(frozen=True)
class Alternative:
    """One text of an N-best list, and its score in the search that found it."""

    text: str
    tokens: tuple[int, ...]
    log_prob: float


@dataclass(frozen=True)
class Recognition:
    """What one utterance said, and where it stopped.

    Attributes:
        text: Words.
        tokens: Token ids.
        exit_index: Counts exits from 0.
        layer: Counts blocks from 1.
        score: The policy's score at that exit, in its unit.
        scores: Those of the exits passed and, last, of that one.
        gflops: Cost from the waveform on.
        seconds: Of audio.
        frames: Behind the stem.
        log_prob: In nats: of the greedy path or of all paths found, or the score of a search.
        said_layer: The exit whose text this is: ``layer``, or an earlier one by look-back.
        words: With times and confidences; None where nobody asked for timestamps.
        timed_tokens: Likewise.
        limited: The limit that stopped it before its score reached the threshold, by its name in
            ``Limits``; None where none did.
        exceeded: The limits that even the first exit goes beyond.
        nbest: The best texts of a search, this one first; empty for greedy CTC.
    """

    text: str
    tokens: tuple[int, ...]
    exit_index: int
    layer: int
    score: float
    scores: tuple[float, ...]
    gflops: float
    seconds: float
    frames: int
    log_prob: float
    said_layer: int
    words: tuple[Word, ...] | None = None
    timed_tokens: tuple[Word, ...] | None = None
    limited: str | None = None
    exceeded: tuple[str, ...] = ()
    nbest: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class AllExits:
    """Every exit of one utterance; ``texts`` and ``exits`` run from shallow to deep."""

    texts: tuple[str, ...]
    exits: tuple[ScoredExit, ...]
    cost: UtteranceCost
    seconds: float
