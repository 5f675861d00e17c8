"""Decode a Kaldi data directory at every exit: texts, the policy's choice, the run record."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from espnet_ee.cost import GIGA, UtteranceCost
from espnet_ee.data.kaldi import read_table, some
from espnet_ee.decoding.hypothesis import Candidate
from espnet_ee.errors import DataError
from espnet_ee.host.compat import DatadirWriter, espnet_version
from espnet_ee.host.feeding import Feeder
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.recognition import AllExits
from espnet_ee.limits import Limits, allow
from espnet_ee.policies import ExitPolicy, available_policies
from espnet_ee.precision import precision_note
from espnet_ee.records import (
    RECORD_NAME,
    ExitHypothesis,
    RecordedPolicy,
    RecordHeader,
    RecordWriter,
    UtteranceRecord,
)
from espnet_ee.replay import first_exit, surest_exit
from espnet_ee.scored_set import LAYER
from espnet_ee.scoring import FloatArray
from espnet_ee.unfinished import UNFINISHED, DecodedUtterance, Unfinished
from espnet_ee.version import __version__

# The stem's cost per second hardly depends on the length; a fixed one lets parallel jobs agree.
REFERENCE_SEC = 10.0

Results = Mapping[str, DecodedUtterance]


@dataclass(frozen=True)
class DecodeJob:
    """What to decode and where to write it.

    Attributes:
        wav_scp: Utterance id to audio file.
        out: Output folder.
        key_file: Ids to decode, first word of each line; None takes all.
        policy: Chooses what goes to ``1best_recog``, and further texts to ``2best_recog``, ...
        threshold: In the policy's unit.
        seed: Recorded; greedy decoding draws nothing at random.
        limits: Of each utterance, for what goes to ``1best_recog``; the record has all exits.
    """

    wav_scp: Path
    out: Path
    key_file: Path | None
    policy: ExitPolicy
    threshold: float
    seed: int
    limits: Limits | None = None


def decode_set(asr: EarlyExitSpeech2Text, job: DecodeJob) -> Mapping[str, DataError]:
    """Decode every exit of every utterance and write all results.

    Cut short and called again, it goes on with the batches that are missing.

    Returns:
        The utterances that could not be read, each with its error; the others are done.

    Raises:
        DataError: The directory is empty or its files disagree.
    """
    paths, refs, speakers = _read_job(job)
    rules = _recorded_policies(asr, job.policy)
    header = _header(asr, job, rules)
    lexical = asr.resources.lexical
    known = [sorted(lexical.words) if lexical else [], job.policy.parameters()]
    unfinished = Unfinished(job.out / UNFINISHED, header, [paths, refs, speakers, known])
    # A header that cannot be written shows before the decoding, not after it.
    with unfinished as results, RecordWriter(job.out / RECORD_NAME, header) as writer:
        feeder = Feeder(asr, paths, done=frozenset(results.done))
        for batch in feeder:
            if batch:
                decoded = asr.all_exits([fed.samples for fed in batch], rules)
                ids = [fed.utt_id for fed in batch]
                results.add(
                    {
                        utt_id: _result(utt_id, found, refs.get(utt_id), speakers.get(utt_id))
                        for utt_id, found in zip(ids, decoded, strict=True)
                    }
                )
        done = {utt_id: results.done[utt_id] for utt_id in paths if utt_id in results.done}
        _write_texts(asr, job, done)
        for result in done.values():
            writer.write(result.record)
    return feeder.failures


def _recorded_policies(asr: EarlyExitSpeech2Text, chosen: ExitPolicy) -> list[ExitPolicy]:
    """All that the model can be scored by, and the job's, but ``layer``: the header has it."""
    rules = {rule.name: rule for rule in (*available_policies(asr.resources), asr.policy(chosen))}
    return [rule for name, rule in rules.items() if name != LAYER]


def _read_job(job: DecodeJob) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Audio paths, references and speakers of the utterances to decode."""
    paths = read_table(job.wav_scp)
    if not paths:
        raise DataError(f"{job.wav_scp} is empty.", want="a line '<utterance id> <file>' for each")
    beside = {
        name: read_table(path) if (path := job.wav_scp.parent / name).exists() else {}
        for name in ("text", "utt2spk")
    }
    for name, table in beside.items():
        extra = set(table) - set(paths)
        if extra:
            raise DataError(
                f"{job.wav_scp.parent}: utterance ids in {name} but not in wav.scp.",
                got=some(extra),
                fix=f"python -m espnet_ee.data.kaldi --fix {job.wav_scp.parent}",
            )
    if job.key_file is not None:
        keys = list(read_table(job.key_file))
        unknown = [key for key in keys if key not in paths]
        if unknown:
            raise DataError(f"{job.key_file} has ids that {job.wav_scp} lacks.", got=some(unknown))
        paths = {key: paths[key] for key in keys}
    return paths, beside["text"], beside["utt2spk"]


def _write_texts(asr: EarlyExitSpeech2Text, job: DecodeJob, done: Results) -> None:
    for index, layer in enumerate(asr.exit_layers):
        folder = job.out / f"exit{layer:02d}" / "1best_recog"
        _write_choice(asr, folder, done, dict.fromkeys(done, index))
    chosen = _choose(asr, job, done)
    _write_choice(asr, job.out / "1best_recog", done, chosen)
    longest = max((len(done[utt_id].nbest[index]) for utt_id, index in chosen.items()), default=0)
    for rank in range(2, longest + 1):
        others = {
            utt_id: done[utt_id].nbest[index][rank - 1]
            for utt_id, index in chosen.items()
            if len(done[utt_id].nbest[index]) >= rank
        }
        _write_texts_of(asr, job.out / f"{rank}best_recog", others)


def _choose(asr: EarlyExitSpeech2Text, job: DecodeJob, done: Results) -> dict[str, int]:
    """Exit index of each utterance's text under the job's policy, within its limits."""
    if not done:
        return {}

    def scores(name: str) -> FloatArray:
        rows = [result.record.exits for result in done.values()]
        return np.array(
            [
                asr.exit_layers if name == LAYER else [exit.scores[name] for exit in exits]
                for exits in rows
            ],
            dtype=np.float64,
        )

    last = np.array([_deepest(asr, job, result.record) for result in done.values()])
    picks = first_exit(scores(job.policy.name), job.threshold, last)
    if job.policy.look_back:
        picks = surest_exit(scores(job.policy.look_back.name), picks)
    return {utt_id: int(pick) for utt_id, pick in zip(done, picks, strict=True)}


def _deepest(asr: EarlyExitSpeech2Text, job: DecodeJob, record: UtteranceRecord) -> int:
    """Exit index of the deepest exit within the job's limits."""
    exits = range(len(asr.exit_layers))
    if job.limits is None:
        return exits[-1]
    per_frame = job.policy.score_flops(asr.model.vocab_size, asr.model.encoder.output_size())
    scoring = per_frame * record.frames / GIGA
    cost = UtteranceCost(0.0, record.body_gflops, record.head_gflops, scoring)
    reads = job.policy.reads_posteriors
    per_sec = [cost.until(index, reads) / record.seconds for index in exits]
    ms = asr.latency.ms(record.seconds) if asr.latency else None
    return allow(job.limits, asr.exit_layers, per_sec, ms).last


def _write_choice(
    asr: EarlyExitSpeech2Text, folder: Path, done: Results, chosen: Mapping[str, int]
) -> None:
    """The texts of one choice of exits."""
    said = {
        utt_id: Candidate(
            result.record.exits[chosen[utt_id]].tokens, result.log_probs[chosen[utt_id]]
        )
        for utt_id, result in done.items()
    }
    _write_texts_of(asr, folder, said)


def _write_texts_of(asr: EarlyExitSpeech2Text, folder: Path, said: Mapping[str, Candidate]) -> None:
    """ESPnet's four files."""
    with DatadirWriter(folder) as writer:
        for utt_id, one in said.items():
            writer["text"][utt_id] = asr.text_of(one.tokens)
            writer["token"][utt_id] = " ".join(asr.token_list[token] for token in one.tokens)
            writer["token_int"][utt_id] = " ".join(map(str, one.tokens))
            writer["score"][utt_id] = str(one.log_prob)


def _result(
    utt_id: str, result: AllExits, reference: str | None, speaker: str | None
) -> DecodedUtterance:
    record = UtteranceRecord(
        utt_id=utt_id,
        speaker=speaker,
        ref=reference,
        seconds=result.seconds,
        frames=result.exits[0].frames,
        body_gflops=result.cost.body_gflops,
        head_gflops=result.cost.head_gflops,
        exits=tuple(
            ExitHypothesis(text, exit.path.tokens, exit.scores)
            for text, exit in zip(result.texts, result.exits, strict=True)
        ),
        text_gflops=tuple(exit.path.gflops for exit in result.exits),
    )
    return DecodedUtterance(
        record,
        tuple(exit.path.log_prob for exit in result.exits),
        tuple(exit.path.nbest for exit in result.exits),
    )


def _header(asr: EarlyExitSpeech2Text, job: DecodeJob, rules: Sequence[ExitPolicy]) -> RecordHeader:
    return RecordHeader(
        set_name=job.wav_scp.parent.name,
        exits=asr.exit_layers,
        num_layers=asr.exit_layers[-1],
        policies={
            rule.name: RecordedPolicy(
                rule.unit,
                rule.score_flops_per_posterior,
                rule.reads_posteriors,
                rule.score_flops(0, asr.model.encoder.output_size()),
            )
            for rule in rules
        },
        config=str(asr.loaded.config),
        checkpoint_path=str(asr.loaded.checkpoint),
        checkpoint_sha256=asr.loaded.sha256,
        versions={
            "python": platform.python_version(),
            "torch": importlib.metadata.version("torch"),
            "espnet": espnet_version(),
            "espnet_ee": __version__,
        },
        seed=job.seed,
        threads=torch.get_num_threads(),
        num_parameters=asr.num_parameters,
        vocab_size=asr.model.vocab_size,
        decoding=asr.decoding + precision_note(),
        floor_gflops_per_second=asr.cost_of(REFERENCE_SEC).floor_gflops / REFERENCE_SEC,
    )
