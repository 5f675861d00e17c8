"""A training step with exits against a step of the same model with one exit.

Peer: the same encoder, stem and vocabulary with a head at the last block only, in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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
from benchmarks.models import FRAMES_PER_SEC, ModelSize, random_features, training_model
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.nn.onednn import widen_primitive_cache

SINGLE = "one exit"
# What is compared, as model_conf; all but the peer have the exits of ``ModelSize``.
VARIANTS: dict[str, dict[str, Any]] = {
    SINGLE: {},
    "linear heads": {},
    "shared head": {"exit_heads": "shared"},
    "bilstm heads": {"exit_head": "bilstm"},
    "sequence distillation": {"distillation": "sequence"},
    "random exit": {"training_strategy": "random_exit"},
}
LABELS_PER_SEC = 4  # subwords in read speech
GIGA = 1e9


@dataclass(frozen=True)
class Settings:
    """What is measured."""

    seconds: float = 10.0
    batch: int = 4
    threads: tuple[int, ...] = (1,)
    repeats: int = 5
    stem: str = "dwconv4"
    clock: str = "wall"
    variants: tuple[str, ...] = tuple(VARIANTS)
    size: ModelSize = field(default_factory=ModelSize)


@dataclass(frozen=True)
class StepRow:
    """One variant against the peer.

    Attributes:
        step_sec: Forward, backward and optimiser.
        ratio: Of the peer's step.
        kept_gb: What the forward pass keeps for the backward pass, which makes the peak.
        kept_ratio: Of the peer's.
    """

    variant: str
    threads: int
    step_sec: Spread
    ratio: Spread
    kept_gb: float
    kept_ratio: float


def measure(settings: Settings) -> list[StepRow]:
    """All variants at all thread counts."""
    batch = make_batch(settings)
    rows: list[StepRow] = []
    for threads in settings.threads:
        use_threads(threads, settings.clock)
        steps, kept = {}, {}
        for name in dict.fromkeys((SINGLE, *settings.variants)):
            model = make_model(settings, name)
            kept[name] = kept_bytes(model, batch)
            steps[name] = make_step(model, batch)
        seconds = interleaved_sec(steps, settings.repeats, settings.clock)
        rows += [
            StepRow(
                variant=name,
                threads=threads,
                step_sec=Spread.of(values),
                ratio=ratios(values, seconds[SINGLE]),
                kept_gb=kept[name] / GIGA,
                kept_ratio=kept[name] / kept[SINGLE],
            )
            for name, values in seconds.items()
        ]
    return rows


def make_model(settings: Settings, variant: str) -> EarlyExitASRModel:
    """A variant in training mode; all start from the same seed."""
    size = settings.size
    if variant == SINGLE:
        size = replace(size, exit_layers=size.exit_layers[-1:])
    torch.manual_seed(0)
    return training_model(size, settings.stem, VARIANTS[variant]).train()


def make_batch(settings: Settings) -> dict[str, Tensor]:
    """Noise of 100 to 80 % of the length, with random labels."""
    longest = int(settings.seconds * FRAMES_PER_SEC)
    lengths = [int(longest * (1 - 0.2 * row / settings.batch)) for row in range(settings.batch)]
    features, frames = random_features(lengths, settings.size.mel_bins, seed=0)
    labels = max(1, int(settings.seconds * LABELS_PER_SEC))
    generator = torch.Generator().manual_seed(0)
    text = torch.randint(
        1, settings.size.vocab_size - 1, (settings.batch, labels), generator=generator
    )
    return {
        "speech": features,
        "speech_lengths": frames,
        "text": text,
        "text_lengths": torch.full((settings.batch,), labels),
    }


def make_step(model: EarlyExitASRModel, batch: dict[str, Tensor]) -> Callable[[], None]:
    """Forward, backward, clipping and optimiser, as ESPnet's trainer does them."""
    parameters = list(model.parameters())
    optimiser = torch.optim.Adam(parameters, lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        model(**batch)[0].backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()

    return step


def kept_bytes(model: EarlyExitASRModel, batch: dict[str, Tensor]) -> int:
    """Bytes of distinct storages that the backward pass needs, parameters left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = model(**batch)[0]
    total = sum(kept.values())
    del loss
    return total


def show(rows: Sequence[StepRow]) -> None:
    """Print the table."""
    header = ["variant", "threads", "step ms", "step/one exit (min-max)", "kept GB", "kept ratio"]
    cells = [
        [
            row.variant,
            row.threads,
            f"{1000 * row.step_sec.median:.0f}",
            row.ratio,
            f"{row.kept_gb:.2f}",
            f"{row.kept_ratio:.2f}",
        ]
        for row in rows
    ]
    print_table(header, cells)


def parse(argv: Sequence[str] | None = None) -> tuple[Settings, Path | None]:
    """Options to settings."""
    default = Settings()
    parser = new_parser(__doc__, "5 s, batch 4, two variants", default.repeats)
    parser.add_argument("--seconds", type=float, default=default.seconds)
    parser.add_argument("--batch", type=int, default=default.batch)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=default.variants)
    args = parse_and_set_up(parser, argv)
    settings = Settings(
        seconds=5.0 if args.quick else args.seconds,
        batch=4 if args.quick else args.batch,
        threads=tuple(args.threads),
        repeats=args.repeats,
        clock=args.clock,
        variants=(SINGLE, "linear heads") if args.quick else tuple(args.variants),
    )
    return settings, args.output


def main(argv: Sequence[str] | None = None) -> None:
    settings, output = parse(argv)
    quiet_host()
    widen_primitive_cache()
    facts = machine()
    print(machine_line(facts), flush=True)
    print(f"batch {settings.batch}, {settings.seconds:g} s of audio, stem {settings.stem}")
    rows = measure(settings)
    show(rows)
    if output is not None:
        write_tables(output, facts, {"train_step": rows})


if __name__ == "__main__":
    main()
