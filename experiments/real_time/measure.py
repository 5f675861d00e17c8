"""Wall clock of true early exit against the promise of the cost model: real audio, a trained model.

PYTHONPATH=../.. python measure.py EXP --dev RECORD --wav-scp FILE --out measured/NAME.json
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from benchmarks.harness import Spread, interleaved_sec, machine, quiet_host, ratios, write_tables
from espnet_ee.data.audio import read_audio
from espnet_ee.data.kaldi import read_table
from espnet_ee.errors import ConfigError
from espnet_ee.host.controlled import check_same_checkpoint
from espnet_ee.host.inference import EarlyExitSpeech2Text
from espnet_ee.host.waves import Wave
from espnet_ee.machine import device_name
from espnet_ee.records import read_record
from espnet_ee.replay import OperatingPoint
from espnet_ee.rules.selection import within_cost
from espnet_ee.scored_set import LAYER, ScoredSet, score_set

SHARES = (0.5, 0.65, 0.8)  # of the last exit's mean cost, on dev
POLICIES = ("entropy", "patience")
FULL = "full depth"
NO_EXITS = "full depth, every exit scored"


@dataclass(frozen=True)
class Row:
    """One way to decode a set, in one batch size; times are over those of full depth.

    Attributes:
        promised: Cost over the cost of full depth, as the cost model counts it.
        reached: Time over the time of full depth, within each repeat.
    """

    way: str
    batch: int
    threshold: float
    mean_layer: float
    promised: float
    reached: Spread


def ways_of(dev: ScoredSet) -> dict[str, tuple[str, float]]:
    """Name of each way to decode -> policy and threshold, chosen on dev."""
    ways = {FULL: (LAYER, float("inf")), NO_EXITS: ("entropy", float("inf"))}
    for policy in POLICIES:
        for share in SHARES:
            try:
                chosen: OperatingPoint = within_cost(dev, policy, share)
            except ConfigError:  # a policy that looks at two exits cannot be so cheap
                continue
            ways[f"{policy}, {100 * share:.0f} % on dev"] = (policy, chosen.threshold)
    return ways


def measure(args: argparse.Namespace, asr: EarlyExitSpeech2Text, batch: int) -> list[Row]:
    """All ways in one batch size, one after the other in each repeat."""
    asr.batch_size = batch
    ways = ways_of(score_set(read_record(args.dev)))
    paths = list(read_table(args.wav_scp).values())[: args.utterances]
    waves = [read_audio(args.recipe / path, asr.sample_rate).samples for path in paths]
    found = {name: asr(waves, *way) for name, way in ways.items()}
    gflops = {name: sum(one.gflops for one in results) for name, results in found.items()}
    calls = {name: partial(recognise, asr, waves, *way) for name, way in ways.items()}
    seconds = interleaved_sec(calls, args.repeats, "wall")
    return [
        Row(
            name,
            batch,
            threshold,
            sum(one.layer for one in found[name]) / len(waves),
            gflops[name] / gflops[FULL],
            ratios(seconds[name], seconds[FULL]),
        )
        for name, (_, threshold) in ways.items()
    ]


def recognise(asr: EarlyExitSpeech2Text, waves: list[Wave], policy: str, value: float) -> None:
    """One call, to its end also on a GPU."""
    asr(waves, policy, value)
    if asr.device.type == "cuda":
        torch.cuda.synchronize(asr.device)


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("exp", type=Path)
    parser.add_argument("--dev", type=Path, required=True, help="record to choose thresholds on")
    parser.add_argument("--wav-scp", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path(), help="folder wav.scp starts from")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--utterances", type=int)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    quiet_host()
    torch.set_num_threads(1)
    asr = EarlyExitSpeech2Text.from_exp(args.exp, device=args.device)
    check_same_checkpoint(read_record(args.dev), asr, str(args.dev))
    rows = [row for batch in args.batch for row in measure(args, asr, batch)]
    facts = {**machine(), "device": device_name(asr.device), "threads": 1}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_tables(args.out, {**facts, "repeats": args.repeats}, {"ways": rows})


if __name__ == "__main__":
    main()
