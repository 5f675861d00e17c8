"""The format of the run record: its dataclasses and their JSON, checked both ways.

The same checks guard reading and writing, so no program writes what another refuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from espnet_ee.errors import DataError
from espnet_ee.record_fields import (
    CHECKPOINT,
    EXIT,
    FORMAT,
    HEADER,
    POLICY,
    UTTERANCE,
    VERSION,
    checked,
)

GREEDY = "greedy CTC"


@dataclass(frozen=True)
class RecordedPolicy:
    """What replay must know of a policy; as in ``espnet_ee.policies.ExitPolicy``.

    Attributes:
        unit: Of its scores; higher scores are surer.
        score_flops_per_posterior: FLOPs of scoring for each of ``frames * vocab_size``.
        reads_posteriors: Whether it pays the head of every exit on the way.
        score_flops_per_frame: Of what else it reads, its hidden states above all.
    """

    unit: str
    score_flops_per_posterior: int
    reads_posteriors: bool
    score_flops_per_frame: int = 0


@dataclass(frozen=True)
class RecordHeader:
    """What was run: model, exits, policies and provenance.

    Attributes:
        set_name: Name of the decoded set, e.g. ``test_clean``.
        exits: Layers with an exit, increasing, from 1; the last is ``num_layers``.
        policies: Name of each stored score -> its policy.
        versions: Program -> version, of the run that decoded.
        vocab_size: Posteriors of one frame, blank included.
        floor_gflops_per_second: Cost before block 1 per second of audio, if known.
        decoding: What made the texts.
    """

    set_name: str
    exits: tuple[int, ...]
    num_layers: int
    policies: Mapping[str, RecordedPolicy]
    config: str
    checkpoint_path: str
    checkpoint_sha256: str
    versions: Mapping[str, str]
    seed: int
    threads: int
    num_parameters: int
    vocab_size: int
    floor_gflops_per_second: float | None = None
    decoding: str = GREEDY


@dataclass(frozen=True)
class ExitHypothesis:
    """One exit's text, token ids and policy scores (NaN: unknown, never stops)."""

    text: str
    tokens: tuple[int, ...]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class UtteranceRecord:
    """All exits of one utterance.

    Attributes:
        body_gflops: ``E`` cumulative costs: front-end, stem and blocks up to that exit.
        head_gflops: ``E`` costs of that exit's own head, without scoring.
        text_gflops: ``E`` costs of finding that exit's text beyond its head: 0 for greedy CTC.
    """

    utt_id: str
    speaker: str | None
    ref: str | None
    seconds: float
    frames: int
    body_gflops: tuple[float, ...]
    head_gflops: tuple[float, ...]
    exits: tuple[ExitHypothesis, ...]
    text_gflops: tuple[float, ...]


@dataclass(frozen=True)
class Record:
    """One set, decoded at every exit."""

    header: RecordHeader
    utterances: tuple[UtteranceRecord, ...]


_HEADER_AS_IS = (
    "num_layers",
    "config",
    "versions",
    "seed",
    "threads",
    "num_parameters",
    "vocab_size",
    "floor_gflops_per_second",
    "decoding",
)


def parse_header(line: Any, where: str) -> RecordHeader:
    if isinstance(line, dict):
        line = {"floor_gflops_per_second": None, "decoding": GREEDY, **line}
        if line.get("format") == FORMAT and line.get("version") != VERSION:
            raise DataError(
                f"{where}: a record of another version.",
                got=f"version {line.get('version')}",
                want=f"version {VERSION}",
                fix="decode again, or use the release of espnet-ee that wrote it",
            )
    value = checked(line, HEADER, where)
    checkpoint = checked(value["checkpoint"], CHECKPOINT, f"{where}: checkpoint")
    exits = value["exits"]
    if exits != sorted(set(exits)) or not exits or exits[0] < 1 or exits[-1] != value["num_layers"]:
        raise DataError(
            f"{where}: exits are wrong.",
            got=f"exits={exits}, num_layers={value['num_layers']}",
            want="increasing layers from 1, the last one num_layers",
        )
    if "layer" in value["policies"]:
        raise DataError(f"{where}: policy layer is stored.", want="scores other than the layer")
    return RecordHeader(
        set_name=value["set"],
        exits=tuple(exits),
        policies={
            name: RecordedPolicy(**_parse_policy(policy, f"{where}: policy {name}"))
            for name, policy in value["policies"].items()
        },
        checkpoint_path=checkpoint["path"],
        checkpoint_sha256=checkpoint["sha256"],
        **{key: value[key] for key in _HEADER_AS_IS},
    )


def _parse_policy(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, dict):  # older records lack it
        value = {"score_flops_per_frame": 0, **value}
    return checked(value, POLICY, where)


def header_to_json(header: RecordHeader) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "set": header.set_name,
        "exits": list(header.exits),
        "policies": {name: asdict(policy) for name, policy in header.policies.items()},
        "checkpoint": {"path": header.checkpoint_path, "sha256": header.checkpoint_sha256},
        **{key: getattr(header, key) for key in _HEADER_AS_IS},
    }


def parse_utterance(line: Any, header: RecordHeader, where: str) -> UtteranceRecord:
    if isinstance(line, dict):  # of records by greedy CTC it is left out
        line = {"text_gflops": [0.0] * len(header.exits), **line}
    value = checked(line, UTTERANCE, where)
    _check_exits(value, header, where)
    hypotheses = []
    for layer, item in zip(header.exits, value["exits"], strict=True):
        parsed = checked(item, EXIT, f"{where}: exit at layer {layer}")
        scores = parsed["scores"]
        if scores.keys() != header.policies.keys():
            raise DataError(
                f"{where}: exit at layer {layer} has other scores than the header promises.",
                got=", ".join(scores) or "none",
                want=", ".join(header.policies) or "none",
            )
        known = {name: math.nan if v is None else float(v) for name, v in scores.items()}
        hypotheses.append(ExitHypothesis(parsed["text"], tuple(parsed["tokens"]), known))
    return UtteranceRecord(
        utt_id=value["id"],
        speaker=value["speaker"],
        ref=value["ref"],
        seconds=float(value["seconds"]),
        frames=value["frames"],
        body_gflops=tuple(map(float, value["body_gflops"])),
        head_gflops=tuple(map(float, value["head_gflops"])),
        exits=tuple(hypotheses),
        text_gflops=tuple(map(float, value["text_gflops"])),
    )


def _check_exits(value: Mapping[str, Any], header: RecordHeader, where: str) -> None:
    wanted = len(header.exits)
    for key in ("exits", "body_gflops", "head_gflops", "text_gflops"):
        if len(value[key]) != wanted:
            raise DataError(
                f"{where}: wrong number of exits in {key}.",
                got=str(len(value[key])),
                want=f"{wanted}, layers {list(header.exits)}",
            )
    body = value["body_gflops"]
    if body != sorted(body):
        raise DataError(f"{where}: body_gflops falls.", got=str(body), want="cumulative costs")


def utterance_to_json(utterance: UtteranceRecord) -> dict[str, Any]:
    searched = any(utterance.text_gflops)
    return {
        "id": utterance.utt_id,
        "speaker": utterance.speaker,
        "ref": utterance.ref,
        "seconds": float(utterance.seconds),
        "frames": int(utterance.frames),
        "body_gflops": [float(cost) for cost in utterance.body_gflops],
        "head_gflops": [float(cost) for cost in utterance.head_gflops],
        **({"text_gflops": [float(cost) for cost in utterance.text_gflops]} if searched else {}),
        "exits": [
            {
                "text": hypothesis.text,
                "tokens": [int(token) for token in hypothesis.tokens],
                "scores": {
                    name: None if math.isnan(score) else float(score)
                    for name, score in hypothesis.scores.items()
                },
            }
            for hypothesis in utterance.exits
        ],
    }
