"""Throughput of batches whose utterances leave at different exits, against three ways not to leave.

python -m benchmarks.batch_exit --quick
python -m benchmarks.batch_exit --batch 8 16 --output batch_exit.json
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.harness import (
    Spread,
    interleaved_sec,
    machine,
    machine_line,
    new_parser,
    parse_and_set_up,
    print_table,
    quiet_host,
    ratios,
    use_threads,
    write_tables,
)
from benchmarks.models import (
    FRAMES_PER_SEC,
    DictatedExits,
    ModelSize,
    cost_model,
    early_exit_model,
    random_features,
)
from espnet_ee.decoding.batching import length_sorted_batches
from espnet_ee.decoding.early_exit import decode_all, decode_until_good
from espnet_ee.host.inference import MAX_PADDED_SEC
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.nn.stems import STEM_NAMES
from espnet_ee.policies.certainty import Entropy

SEED = 0

# Share of the utterances that leave at each of six exits.
HISTOGRAMS: dict[str, tuple[float, ...]] = {
    "all first": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "mostly first": (0.5, 0.25, 0.12, 0.06, 0.04, 0.03),
    "uniform": (1 / 6,) * 6,
    "mostly middle": (0.05, 0.15, 0.35, 0.3, 0.1, 0.05),
    "bimodal": (0.45, 0.05, 0.0, 0.0, 0.05, 0.45),
    "mostly last": (0.04, 0.06, 0.1, 0.15, 0.2, 0.45),
    "all last": (0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
}


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    utterances: int = 64
    batches: tuple[int, ...] = (8, 16)
    threads: tuple[int, ...] = (1,)
    repeats: int = 5
    clock: str = "wall"
    stem: str = "dwconv8"
    equal_sec: float | None = None
    histograms: tuple[str, ...] = tuple(HISTOGRAMS)
    size: ModelSize = field(default_factory=ModelSize)


@dataclass(frozen=True)
class Row:
    """One histogram at one batch size; ratios are of times, below 1 where leaving is quicker.

    Attributes:
        promised: Saving of FLOPs over full depth, by the exits and lengths of the utterances.
        reached: Saving of time over full depth.
        reached_of_promised: Their ratio; NaN where nothing is promised.
        against_all_exits: Over decoding every exit of every utterance.
        against_all_agree: Over a batch that goes on, whole, until its last utterance is satisfied.
        against_mean: Over a batch that stops, whole, where its mean passes.
        mean_cuts_short: Share of utterances which that mean stops before their exit.
    """

    histogram: str
    stem: str
    threads: int
    batch: int
    audio_sec_per_sec: float
    promised: float
    reached: Spread
    reached_of_promised: Spread
    against_all_exits: Spread
    against_all_agree: Spread
    against_mean: Spread
    mean_cuts_short: float


@dataclass(frozen=True)
class Batch:
    """One batch and, by histogram, the exit that each utterance has to take."""

    features: Tensor
    lengths: Tensor
    exits: Mapping[str, tuple[int, ...]]


def utterance_frames(utterances: int, equal_sec: float | None) -> list[int]:
    """Feature frames: all equal, or as in read speech, 1.5 to 20 s with a median of 6 s."""
    if equal_sec is not None:
        return [round(FRAMES_PER_SEC * equal_sec)] * utterances
    draw = random.Random(SEED)
    seconds = [
        min(20.0, max(1.5, draw.lognormvariate(math.log(6.0), 0.6))) for _ in range(utterances)
    ]
    return [round(FRAMES_PER_SEC * sec) for sec in seconds]


def dictate(shares: Sequence[float], utterances: int) -> list[int]:
    """Exit indices in the given shares, as exactly as whole utterances allow, in random order."""
    bounds = [round(sum(shares[: index + 1]) * utterances) for index in range(len(shares))]
    exits = [sum(place >= bound for bound in bounds[:-1]) for place in range(utterances)]
    random.Random(SEED).shuffle(exits)
    return exits


def make_batches(settings: Settings, batch_size: int) -> list[Batch]:
    """Length-sorted batches of noise, as inference makes them."""
    frames = utterance_frames(settings.utterances, settings.equal_sec)
    exits = {name: dictate(HISTOGRAMS[name], settings.utterances) for name in settings.histograms}
    batches = []
    for places in length_sorted_batches(frames, batch_size, MAX_PADDED_SEC * FRAMES_PER_SEC):
        features, lengths = random_features(
            [frames[place] for place in places], settings.size.mel_bins, SEED
        )
        own = {name: tuple(all_[place] for place in places) for name, all_ in exits.items()}
        batches.append(Batch(features, lengths, own))
    return batches


def padding_share(batches: Sequence[Batch]) -> float:
    """Share of the batches' feature frames that are padding before anyone leaves."""
    real = sum(int(batch.lengths.sum()) for batch in batches)
    return 1.0 - real / sum(math.prod(batch.features.shape[:2]) for batch in batches)


def mean_exit(exits: Sequence[int]) -> int:
    """Where a batch with a common decision stops: the first exit at or above the mean."""
    return math.ceil(sum(exits) / len(exits))


def calls_of(model: EarlyExitASRModel, batch: Batch, last: int) -> dict[str, Callable[[], object]]:
    """The ways to decode one batch, each by ``kind`` or ``kind/histogram``."""

    def stopping(exits: Sequence[int], compact: bool) -> Callable[[], object]:
        policy = DictatedExits(tuple(exits))
        return partial(
            decode_until_good, model, batch.features, batch.lengths, policy, math.inf, compact
        )

    size = len(batch.lengths)
    calls: dict[str, Callable[[], object]] = {
        "full depth": stopping([last] * size, compact=True),
        "all exits": partial(decode_all, model, batch.features, batch.lengths, [Entropy()]),
    }
    for name, exits in batch.exits.items():
        calls[f"ours/{name}"] = stopping(exits, compact=True)
        calls[f"all agree/{name}"] = stopping(exits, compact=False)
        calls[f"mean/{name}"] = stopping([mean_exit(exits)] * size, compact=True)
    return calls


@torch.inference_mode()
def time_batches(
    model: EarlyExitASRModel, batches: Sequence[Batch], settings: Settings
) -> dict[str, list[float]]:
    """Seconds of the whole set by kind, one value per repeat; kinds alternate batch by batch."""
    repeats, last = settings.repeats, len(settings.size.exit_layers) - 1
    totals: dict[str, list[float]] = {}
    for batch in batches:
        calls = calls_of(model, batch, last)
        for kind, seconds in interleaved_sec(calls, repeats, settings.clock).items():
            before = totals.get(kind, [0.0] * repeats)
            totals[kind] = [a + b for a, b in zip(before, seconds, strict=True)]
    return totals


def promised_saving(
    model: EarlyExitASRModel, batches: Sequence[Batch], histogram: str, size: ModelSize
) -> float:
    """Saving of FLOPs over full depth, from features on, no padding counted."""
    cost = cost_model(model, size.vocab_size)
    spent = full = 0.0
    for batch in batches:
        for frames, index in zip(batch.lengths.tolist(), batch.exits[histogram], strict=True):
            utterance = cost.utterance(frames)
            spent += utterance.until(index, reads_posteriors=True)
            full += utterance.until(len(size.exit_layers) - 1, reads_posteriors=True)
    return 1.0 - spent / full


def row_of(
    name: str,
    settings: Settings,
    threads: int,
    batch_size: int,
    batches: Sequence[Batch],
    seconds: Mapping[str, list[float]],
    promised: float,
) -> Row:
    """Put one histogram's times into relation."""
    ours, full = seconds[f"ours/{name}"], seconds["full depth"]
    saved = [1.0 - own / whole for own, whole in zip(ours, full, strict=True)]
    worth = promised > 1e-9
    audio_sec = sum(int(batch.lengths.sum()) for batch in batches) / FRAMES_PER_SEC
    short = [
        index > mean_exit(batch.exits[name]) for batch in batches for index in batch.exits[name]
    ]
    return Row(
        histogram=name,
        stem=settings.stem,
        threads=threads,
        batch=batch_size,
        audio_sec_per_sec=audio_sec / Spread.of(ours).median,
        promised=promised,
        reached=Spread.of(saved),
        reached_of_promised=Spread.of([value / promised if worth else math.nan for value in saved]),
        against_all_exits=ratios(ours, seconds["all exits"]),
        against_all_agree=ratios(ours, seconds[f"all agree/{name}"]),
        against_mean=ratios(ours, seconds[f"mean/{name}"]),
        mean_cuts_short=sum(short) / len(short),
    )


def measure(settings: Settings) -> list[Row]:
    """Run every batch size, printing each table as it ends."""
    torch.manual_seed(SEED)
    model = early_exit_model(settings.size, settings.stem)
    rows = []
    for threads in settings.threads:
        use_threads(threads, settings.clock)
        for batch_size in settings.batches:
            batches = make_batches(settings, batch_size)
            seconds = time_batches(model, batches, settings)
            own = []
            for name in settings.histograms:
                promised = promised_saving(model, batches, name, settings.size)
                own.append(row_of(name, settings, threads, batch_size, batches, seconds, promised))
            print(f"{settings.stem}, {threads} thread(s), batch {batch_size}", end=", ")
            print(f"{100 * padding_share(batches):.0f} % padding")
            _show(own)
            rows += own
    return rows


def _show(rows: Sequence[Row]) -> None:
    header = ["exits", "audio s/s", "promised", "reached", "reached/promised (min-max)"]
    header += ["time/all exits", "time/all agree", "time/mean", "mean cuts short"]
    cells = [
        [
            row.histogram,
            f"{row.audio_sec_per_sec:.1f}",
            f"{row.promised:.3f}",
            f"{row.reached.median:.3f}",
            row.reached_of_promised if row.promised > 0 else "-",
            row.against_all_exits,
            row.against_all_agree,
            row.against_mean,
            f"{100 * row.mean_cuts_short:.0f} %",
        ]
        for row in rows
    ]
    print_table(header, cells)


def parse(argv: Sequence[str] | None = None) -> tuple[Settings, Path | None]:
    """Options to settings."""
    default = Settings()
    parser = new_parser(__doc__, "32 utterances, 2 repeats", default.repeats)
    parser.add_argument("--utterances", type=int, default=default.utterances)
    parser.add_argument(
        "--equal", type=float, metavar="SEC", help="all utterances this long: no padding to save"
    )
    parser.add_argument("--vocab", type=int, default=default.size.vocab_size, help="labels")
    parser.add_argument("--batch", type=int, nargs="+", default=default.batches)
    parser.add_argument("--stem", choices=STEM_NAMES, default=default.stem)
    parser.add_argument(
        "--histograms", nargs="+", choices=list(HISTOGRAMS), default=default.histograms
    )
    args = parse_and_set_up(parser, argv)
    settings = Settings(
        utterances=32 if args.quick else args.utterances,
        batches=tuple(args.batch),
        threads=tuple(args.threads),
        repeats=2 if args.quick else args.repeats,
        clock=args.clock,
        stem=args.stem,
        equal_sec=args.equal,
        size=replace(default.size, vocab_size=args.vocab),
        histograms=tuple(args.histograms),
    )
    return settings, args.output


def main(argv: Sequence[str] | None = None) -> None:
    settings, output = parse(argv)
    quiet_host()
    facts = machine()
    print(machine_line(facts), flush=True)
    rows = measure(settings)
    promising = [row for row in rows if row.promised > 1e-9]
    if promising:
        worst = min(promising, key=lambda row: row.reached_of_promised.median)
        print(f"least reached of promised: {worst.reached_of_promised}", end=" ")
        print(f"({worst.histogram}, batch {worst.batch}, {worst.threads} thread(s))")
    if output is not None:
        write_tables(output, facts, {"histograms": rows})


if __name__ == "__main__":
    main()
