"""Time of deciding at an exit, head and score, over the time of the blocks before it.

python -m benchmarks.policies --quick
OMP_NUM_THREADS=1 taskset -c 0 python -m benchmarks.policies --output policies.json
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.deciding import (
    GATE,
    SEED,
    Walked,
    gate,
    resources_of,
    run_all,
    say_nothing,
    segments_of,
    talking_model,
)
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
from benchmarks.models import ModelSize, random_features
from benchmarks.workload import frames_of
from espnet_ee.decoding.early_exit import decode_until_good
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.nn.stems import STEM_NAMES
from espnet_ee.policies import (
    ExitPolicy,
    available_policies,
    policy_names,
)

MOST = 0.03  # of the blocks' time: what deciding may take


@dataclass(frozen=True)
class Settings:
    """The grid that is measured."""

    seconds: tuple[float, ...] = (5.0, 10.0)
    batches: tuple[int, ...] = (1, 8)
    threads: tuple[int, ...] = (1,)
    repeats: int = 7
    stems: tuple[str, ...] = ("conv2d", "dwconv8")
    policies: tuple[str, ...] = ()
    clock: str = "wall"
    size: ModelSize = field(default_factory=lambda: ModelSize(vocab_size=256))


@dataclass(frozen=True)
class Row:
    """What one policy takes, all exits together.

    Attributes:
        ms: Of deciding, per exit and batch.
        time_share: Of deciding, over the time of the blocks before each exit.
        flop_share: The same by the cost model.
        keeps: Whether the median share is at most ``MOST``.
    """

    policy: str
    stem: str
    threads: int
    batch: int
    seconds: float
    ms: Spread
    time_share: Spread
    flop_share: float
    keeps: bool


def flop_share(model: EarlyExitASRModel, policy: ExitPolicy, lengths: Tensor) -> float:
    """FLOPs of heads and scores over those of the blocks, to the last exit."""
    encoder, spent, blocks = model.encoder, 0, 0
    last = encoder.exit_layers[-1]
    read = encoder.exit_layers if policy.reads_posteriors else (last,)
    for count in lengths.tolist():
        frames = encoder.frames_of(count)
        scoring = policy.score_flops(model.vocab_size, encoder.output_size()) * frames
        spent += sum(model.head_flops(layer, frames) for layer in read)
        spent += scoring * len(encoder.exit_layers)
        blocks += sum(encoder.block_flops(layer, frames) for layer in range(1, last + 1))
    return spent / blocks


@torch.inference_mode()
def measure_case(
    settings: Settings, model: EarlyExitASRModel, stem: str, threads: int, batch: int, sec: float
) -> list[Row]:
    """Every policy on one batch, in turns with the blocks."""
    features, lengths = random_features(frames_of(sec, batch), settings.size.mel_bins, SEED)
    segments = segments_of(model, features, lengths)
    walked = Walked(model, list(model.walk([(features, lengths)])))
    resources = resources_of(settings.size.vocab_size)
    rules = {
        rule.name: rule
        for rule in (*available_policies(resources), gate().bind(resources))
        if rule.name in (settings.policies or (*policy_names(), GATE))
    }
    decide = partial(decode_until_good, walked, [], threshold=math.inf, speak=say_nothing)
    calls = {name: partial(decide, policy=rule) for name, rule in rules.items()}
    seconds = interleaved_sec(
        {"blocks": partial(run_all, segments), **calls}, settings.repeats, settings.clock
    )
    rows = []
    for name, rule in rules.items():
        share = ratios(seconds[name], seconds["blocks"])
        per_exit = [1000.0 * value / len(segments) for value in seconds[name]]
        rows.append(
            Row(
                policy=name,
                stem=stem,
                threads=threads,
                batch=batch,
                seconds=sec,
                ms=Spread.of(per_exit),
                time_share=share,
                flop_share=flop_share(model, rule, lengths),
                keeps=share.median <= MOST,
            )
        )
    return rows


def measure(settings: Settings) -> list[Row]:
    """Run the grid, printing each case as it ends."""
    rows = []
    for stem in settings.stems:
        model = talking_model(settings.size, stem)
        for threads in settings.threads:
            use_threads(threads, settings.clock)
            for batch in settings.batches:
                for sec in settings.seconds:
                    print(f"{stem}, {threads} thread(s), batch {batch}, {sec:g} s of audio")
                    own = measure_case(settings, model, stem, threads, batch, sec)
                    _show(own)
                    rows += own
    return rows


def _show(rows: Sequence[Row]) -> None:
    header = ["policy", "ms at an exit", "% of the blocks' time (min-max)", "% of FLOPs", ""]
    cells = [
        [
            row.policy,
            f"{row.ms.median:.3f}",
            "{:.2f} ({:.2f}-{:.2f})".format(
                *(100 * v for v in (row.time_share.median, row.time_share.low, row.time_share.high))
            ),
            f"{100 * row.flop_share:.2f}",
            "" if row.keeps else f"over {100 * MOST:g} %",
        ]
        for row in rows
    ]
    print_table(header, cells)


def parse(argv: Sequence[str] | None = None) -> tuple[Settings, Path | None]:
    """Options to settings."""
    default = Settings()
    parser = new_parser(__doc__, "5 s of audio, 3 repeats", default.repeats)
    parser.add_argument("--seconds", type=float, nargs="+", default=default.seconds)
    parser.add_argument("--batch", type=int, nargs="+", default=default.batches)
    parser.add_argument("--stems", nargs="+", choices=STEM_NAMES, default=default.stems)
    parser.add_argument(
        "--policies", nargs="+", choices=(*policy_names(), GATE), default=(), help="or all"
    )
    parser.add_argument("--vocab", type=int, default=default.size.vocab_size, help="labels")
    args = parse_and_set_up(parser, argv)
    settings = Settings(
        seconds=(5.0,) if args.quick else tuple(args.seconds),
        batches=tuple(args.batch),
        threads=tuple(args.threads),
        repeats=3 if args.quick else args.repeats,
        stems=tuple(args.stems),
        policies=tuple(args.policies),
        clock=args.clock,
        size=replace(default.size, vocab_size=args.vocab),
    )
    return settings, args.output


def main(argv: Sequence[str] | None = None) -> None:
    settings, output = parse(argv)
    quiet_host()
    facts = machine()
    print(machine_line(facts), flush=True)
    rows = measure(settings)
    skipped = set(policy_names()) - {row.policy for row in rows}
    if skipped and not settings.policies:
        print(f"not measured, for they need more than a model: {', '.join(sorted(skipped))}")
    over = [row for row in rows if not row.keeps]
    for row in over:
        where = f"{row.stem}, batch {row.batch}, {row.seconds:g} s, {row.threads} thread(s)"
        print(
            f"{row.policy} takes {100 * row.time_share.median:.2f} % of the blocks' time: {where}"
        )
    if not over:
        print(f"every policy decides within {100 * MOST:g} % of the blocks' time")
    if output is not None:
        write_tables(output, facts, {"policies": rows})


if __name__ == "__main__":
    main()
