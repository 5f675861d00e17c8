"""Throughput of batches whose utterances leave at different exits, against three ways not to leave.

python -m benchmarks.batch_exit --quick
python -m benchmarks.batch_exit --batch 8 16 --output batch_exit.json
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

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
from benchmarks.models import FRAMES_PER_SEC, DictatedExits, ModelSize, early_exit_model
from benchmarks.workload import (
    HISTOGRAMS,
    SEED,
    Batch,
    make_batches,
    mean_exit,
    padding_share,
    promised_saving,
)
from espnet_ee.decoding.early_exit import decode_all, decode_until_good
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.nn.stems import STEM_NAMES
from espnet_ee.policies.certainty import Entropy


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
        reached: Saving of time over full depth, all batches recognised in one call: what is left
            of them goes on in full batches.
        reached_of_promised: Their ratio; NaN where nothing is promised.
        alone_of_promised: The same for a call per batch: what is left of it goes on alone.
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
    alone_of_promised: Spread
    against_all_exits: Spread
    against_all_agree: Spread
    against_mean: Spread
    mean_cuts_short: float


def calls_of(
    model: EarlyExitASRModel, batches: Sequence[Batch], histogram: str, last: int
) -> dict[str, Callable[[], object]]:
    """The ways to decode all batches, by name."""
    whole = [(batch.features, batch.lengths) for batch in batches]

    def stopping(exits: Callable[[Batch], Sequence[int]], compact: bool = True) -> None:
        for batch, inputs in zip(batches, whole, strict=True):
            policy = DictatedExits(tuple(exits(batch)))
            decode_until_good(model, [inputs], policy, math.inf, compact)

    def together() -> None:
        exits = [index for batch in batches for index in batch.exits[histogram]]
        decode_until_good(model, whole, DictatedExits(tuple(exits)), math.inf)

    def all_exits() -> None:
        for features, lengths in whole:
            decode_all(model, features, lengths, [Entropy()])

    def own(batch: Batch) -> Sequence[int]:
        return batch.exits[histogram]

    return {
        "full depth": partial(stopping, lambda batch: [last] * len(batch.lengths)),
        "together": together,
        "alone": partial(stopping, own),
        "all exits": all_exits,
        "all agree": partial(stopping, own, compact=False),
        "mean": partial(stopping, lambda batch: [mean_exit(own(batch))] * len(batch.lengths)),
    }


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
    ours, full = seconds["together"], seconds["full depth"]
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
        reached=Spread.of(_saved(ours, full)),
        reached_of_promised=_of_promised(ours, full, promised),
        alone_of_promised=_of_promised(seconds["alone"], full, promised),
        against_all_exits=ratios(ours, seconds["all exits"]),
        against_all_agree=ratios(ours, seconds["all agree"]),
        against_mean=ratios(ours, seconds["mean"]),
        mean_cuts_short=sum(short) / len(short),
    )


def _saved(ours: Sequence[float], full: Sequence[float]) -> list[float]:
    return [1.0 - own / whole for own, whole in zip(ours, full, strict=True)]


def _of_promised(ours: Sequence[float], full: Sequence[float], promised: float) -> Spread:
    worth = promised > 1e-9
    return Spread.of([saved / promised if worth else math.nan for saved in _saved(ours, full)])


@torch.inference_mode()
def measure(settings: Settings) -> list[Row]:
    """Run every batch size, printing each table as it ends."""
    torch.manual_seed(SEED)
    size = settings.size
    model = early_exit_model(size, settings.stem)
    last = len(size.exit_layers) - 1
    rows = []
    for threads in settings.threads:
        use_threads(threads, settings.clock)
        for batch_size in settings.batches:
            batches = make_batches(
                settings.utterances,
                settings.equal_sec,
                batch_size,
                settings.histograms,
                size.mel_bins,
            )
            own = []
            for name in settings.histograms:
                calls = calls_of(model, batches, name, last)
                seconds = interleaved_sec(calls, settings.repeats, settings.clock)
                promised = promised_saving(model, batches, name, size)
                own.append(row_of(name, settings, threads, batch_size, batches, seconds, promised))
            print(f"{settings.stem}, {threads} thread(s), batch {batch_size}", end=", ")
            print(f"{100 * padding_share(batches):.0f} % padding")
            _show(own)
            rows += own
    return rows


def _show(rows: Sequence[Row]) -> None:
    header = ["exits", "audio s/s", "promised", "reached", "reached/promised (min-max)"]
    header += [
        "a call per batch",
        "time/all exits",
        "time/all agree",
        "time/mean",
        "mean cuts short",
    ]
    cells = [
        [
            row.histogram,
            f"{row.audio_sec_per_sec:.1f}",
            f"{row.promised:.3f}",
            f"{row.reached.median:.3f}",
            row.reached_of_promised if row.promised > 0 else "-",
            row.alone_of_promised if row.promised > 0 else "-",
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
