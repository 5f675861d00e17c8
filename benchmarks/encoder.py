"""Time of our Conformer encoder against ESPnet's, and of every exit against full depth.

python -m benchmarks.encoder --quick
OMP_NUM_THREADS=2 python -m benchmarks.encoder --threads 1 2 --output encoder.json
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
from benchmarks.models import (
    DictatedExits,
    ModelSize,
    cost_model,
    early_exit_model,
    espnet_encoder,
    our_encoder,
    random_features,
)
from benchmarks.workload import frames_of
from espnet_ee.decoding.early_exit import decode_until_good
from espnet_ee.nn.packed import pack_for_inference
from espnet_ee.nn.stems import STEM_NAMES

SEED = 0


@dataclass(frozen=True)
class Settings:
    """The grid that is measured."""

    seconds: tuple[float, ...] = (5.0, 10.0, 20.0)
    batches: tuple[int, ...] = (1, 8)
    threads: tuple[int, ...] = (1,)
    repeats: int = 7
    stems: tuple[str, ...] = ("conv2d", "dwconv8")
    pack: bool = True
    clock: str = "wall"
    size: ModelSize = field(default_factory=ModelSize)


@dataclass(frozen=True)
class Case:
    """One point of the grid."""

    threads: int
    batch: int
    seconds: float


@dataclass(frozen=True)
class PeerRow:
    """Ours against ESPnet's encoder of the same depth and weights; seconds per batch.

    ``fastest_...`` here and below: the ratio of the quickest repeats, for a busy machine.
    """

    stem: str
    threads: int
    batch: int
    seconds: float
    layer: int
    ours_sec: Spread
    espnet_sec: Spread
    ratio: Spread
    fastest_ratio: float
    largest_difference: float


@dataclass(frozen=True)
class ShareRow:
    """Decoding that stops at one exit against decoding that goes to the end."""

    stem: str
    threads: int
    batch: int
    seconds: float
    layer: int
    ours_sec: Spread
    time_share: Spread
    fastest_share: float
    flop_share: float
    points: float


@torch.inference_mode()
def against_espnet(case: Case, settings: Settings) -> list[PeerRow]:
    """Encoders cut at each exit; the same state dict on both sides."""
    size, rows = settings.size, []
    features, lengths = random_features(frames_of(case.seconds, case.batch), size.mel_bins, SEED)
    for layer in size.exit_layers:
        torch.manual_seed(SEED)
        theirs = espnet_encoder(size, layer)
        ours = our_encoder(size, theirs, layer)
        if settings.pack:
            pack_for_inference(ours)
        # The longest utterance has no padding, which ESPnet's convolutions would read.
        difference = ours(features, lengths)[0][0] - theirs(features, lengths)[0][0]
        seconds = interleaved_sec(
            {
                "ours": partial(ours, features, lengths),
                "espnet": partial(theirs, features, lengths),
            },
            settings.repeats,
            settings.clock,
        )
        rows.append(
            PeerRow(
                stem="conv2d",
                threads=case.threads,
                batch=case.batch,
                seconds=case.seconds,
                layer=layer,
                ours_sec=Spread.of(seconds["ours"]),
                espnet_sec=Spread.of(seconds["espnet"]),
                ratio=ratios(seconds["ours"], seconds["espnet"]),
                fastest_ratio=min(seconds["ours"]) / min(seconds["espnet"]),
                largest_difference=float(difference.abs().max()),
            )
        )
    return rows


@torch.inference_mode()
def against_full_depth(case: Case, stem: str, settings: Settings) -> list[ShareRow]:
    """The decoding loop with all utterances leaving at one exit, heads and entropy included."""
    size = settings.size
    torch.manual_seed(SEED)
    model = early_exit_model(size, stem)
    frames = frames_of(case.seconds, case.batch)
    features, lengths = random_features(frames, size.mel_bins, SEED)
    costs = [cost_model(model, size.vocab_size).utterance(n) for n in frames]
    policies = [DictatedExits((index,) * case.batch) for index in range(len(size.exit_layers))]
    seconds = interleaved_sec(
        {
            str(layer): partial(decode_until_good, model, [(features, lengths)], policy, math.inf)
            for layer, policy in zip(size.exit_layers, policies, strict=True)
        },
        settings.repeats,
        settings.clock,
    )
    full_sec = seconds[str(size.exit_layers[-1])]
    gflops = [sum(cost.until(index, True) for cost in costs) for index in range(len(policies))]
    rows = []
    for index, layer in enumerate(size.exit_layers):
        share = ratios(seconds[str(layer)], full_sec)
        flop_share = gflops[index] / gflops[-1]
        rows.append(
            ShareRow(
                stem=stem,
                threads=case.threads,
                batch=case.batch,
                seconds=case.seconds,
                layer=layer,
                ours_sec=Spread.of(seconds[str(layer)]),
                time_share=share,
                fastest_share=min(seconds[str(layer)]) / min(full_sec),
                flop_share=flop_share,
                points=100.0 * (share.median - flop_share),
            )
        )
    return rows


def measure(settings: Settings) -> tuple[list[PeerRow], list[ShareRow]]:
    """Run the grid, printing each case as it ends."""
    peers, shares = [], []
    for threads in settings.threads:
        use_threads(threads, settings.clock)
        for batch in settings.batches:
            for seconds in settings.seconds:
                case = Case(threads, batch, seconds)
                print(f"{threads} thread(s), batch {batch}, {seconds:g} s of audio")
                peers += _show_peers(against_espnet(case, settings))
                for stem in settings.stems:
                    shares += _show_shares(against_full_depth(case, stem, settings))
    return peers, shares


def _show_peers(rows: list[PeerRow]) -> list[PeerRow]:
    header = [
        "stem",
        "layers",
        "ours ms",
        "espnet ms",
        "ours/espnet (min-max)",
        "fastest",
        "largest diff",
    ]
    cells = [
        [
            row.stem,
            row.layer,
            f"{1000 * row.ours_sec.median:.1f}",
            f"{1000 * row.espnet_sec.median:.1f}",
            row.ratio,
            f"{row.fastest_ratio:.3f}",
            f"{row.largest_difference:.1e}",
        ]
        for row in rows
    ]
    print_table(header, cells)
    return rows


def _show_shares(rows: list[ShareRow]) -> list[ShareRow]:
    header = ["stem", "exit", "ms", "time/full (min-max)", "fastest", "FLOPs/full", "points"]
    cells = [
        [
            row.stem,
            row.layer,
            f"{1000 * row.ours_sec.median:.1f}",
            row.time_share,
            f"{row.fastest_share:.3f}",
            f"{row.flop_share:.3f}",
            f"{row.points:+.1f}",
        ]
        for row in rows
    ]
    print_table(header, cells)
    return rows


def _show_worst(peers: Sequence[PeerRow], shares: Sequence[ShareRow], full_depth: int) -> None:
    full = max((row for row in peers if row.layer == full_depth), key=lambda row: row.ratio.median)
    print(f"worst full depth: {full.ratio} of ESPnet's time, {_where(full)}")
    for stem in sorted({row.stem for row in shares}):
        own = [row for row in shares if row.stem == stem]
        gap = max(own, key=lambda row: abs(row.points))
        print(f"widest gap, {stem}: {gap.points:+.1f} points at exit {gap.layer}, {_where(gap)}")
        half = [row for row in own if 2 * row.layer == full_depth]
        if half:
            slow = max(half, key=lambda row: row.time_share.median)
            print(f"worst half depth, {stem}: {slow.time_share} of full, {_where(slow)}")


def _where(row: PeerRow | ShareRow) -> str:
    return f"{row.threads} thread(s), batch {row.batch}, {row.seconds:g} s"


def parse(argv: Sequence[str] | None = None) -> tuple[Settings, Path | None]:
    """Options to settings."""
    default = Settings()
    parser = new_parser(__doc__, "5 s of audio, 3 repeats", default.repeats)
    parser.add_argument("--seconds", type=float, nargs="+", default=default.seconds)
    parser.add_argument("--batch", type=int, nargs="+", default=default.batches)
    parser.add_argument("--stems", nargs="+", choices=STEM_NAMES, default=default.stems)
    parser.add_argument("--vocab", type=int, default=default.size.vocab_size, help="labels")
    parser.add_argument("--unpacked", action="store_true", help="against ESPnet: do not pack ours")
    args = parse_and_set_up(parser, argv)
    settings = Settings(
        seconds=(5.0,) if args.quick else tuple(args.seconds),
        batches=tuple(args.batch),
        threads=tuple(args.threads),
        repeats=3 if args.quick else args.repeats,
        stems=tuple(args.stems),
        clock=args.clock,
        pack=not args.unpacked,
        size=replace(default.size, vocab_size=args.vocab),
    )
    return settings, args.output


def main(argv: Sequence[str] | None = None) -> None:
    settings, output = parse(argv)
    quiet_host()
    facts = machine()
    print(machine_line(facts), flush=True)
    peers, shares = measure(settings)
    _show_worst(peers, shares, settings.size.exit_layers[-1])
    if output is not None:
        write_tables(output, facts, {"against_espnet": peers, "against_full_depth": shares})


if __name__ == "__main__":
    main()
