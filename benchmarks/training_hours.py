"""How long a training would take on this machine: steps of a configuration, at its own size, timed.

python -m benchmarks.training_hours conf/train_ee_conformer_ctc.yaml --hours 2880 --device cuda
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness import (
    Spread,
    machine,
    machine_line,
    new_parser,
    parse_and_set_up,
    print_table,
    quiet_host,
    use_threads,
    write_tables,
)
from espnet_ee.cost import GIGA
from espnet_ee.data.audio import RATE
from espnet_ee.host.task import EarlyExitASRTask
from espnet_ee.nn.onednn import widen_primitive_cache

LABELS_PER_SEC = 4  # subwords of read English; characters are three times as many
WARM_UP_STEPS = 2


@dataclass(frozen=True)
class HoursRow:
    """One configuration on one device.

    Attributes:
        speech_sec: Speech per step: the batch that ``batch_bins`` allows.
        step_sec: Front-end, forward, backward, clipping and optimiser; not reading audio.
        hours: Of the whole training, all epochs, at that pace, on this one device.
        peak_gb: Most memory of the GPU; NaN on a CPU.
    """

    config: str
    device: str
    speech_sec: float
    step_sec: Spread
    hours: float
    peak_gb: float


def build(config: Path, vocab: int) -> tuple[torch.nn.Module, argparse.Namespace]:
    """The model of a configuration with random weights, and its training options."""
    with tempfile.TemporaryDirectory() as folder:
        parser = EarlyExitASRTask.get_parser()
        args = parser.parse_args(["--config", str(config), "--output_dir", folder])
        args.token_list = ["<blank>", *(f"t{n}" for n in range(vocab - 2)), "<sos/eos>"]
        bundle = args.encoder_conf.pop("checkpoint", None)
        if bundle is not None:  # the same network without its weights: nothing is downloaded
            args.encoder_conf["architecture"] = bundle.lower()
        return EarlyExitASRTask.build_model(args).train(), args


def make_batch(args: argparse.Namespace, vocab: int, seconds: float) -> dict[str, Tensor]:
    """As many utterances of noise as ``batch_bins`` holds."""
    labels = int(seconds * LABELS_PER_SEC)
    samples = int(seconds * RATE)
    rows = max(1, args.batch_bins // (samples + labels * vocab))
    generator = torch.Generator().manual_seed(0)
    return {
        "speech": 0.1 * torch.randn(rows, samples, generator=generator),
        "speech_lengths": torch.full((rows,), samples),
        "text": torch.randint(1, vocab - 1, (rows, labels), generator=generator),
        "text_lengths": torch.full((rows,), labels),
    }


def time_steps(
    model: torch.nn.Module, batch: dict[str, Tensor], device: torch.device, amp: bool, steps: int
) -> list[float]:
    """Seconds of each step, after some that are not counted."""
    model.to(device)
    batch = {name: values.to(device) for name, values in batch.items()}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(parameters, lr=1e-5)
    seconds = []
    for _ in range(WARM_UP_STEPS + steps):
        start = time.perf_counter()
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=amp):
            loss = model(**batch)[0]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimiser.step()
        loss.item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return seconds[WARM_UP_STEPS:]


def measure(options: argparse.Namespace) -> list[HoursRow]:
    """Every configuration in turn."""
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    rows = []
    for config in options.configs:
        model, args = build(config, options.vocab)
        batch = make_batch(args, options.vocab, options.seconds)
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(device)
        step_sec = Spread.of(time_steps(model, batch, device, args.use_amp, options.repeats))
        speech_sec = batch["speech"].numel() / RATE
        steps = args.max_epoch * options.hours * 3600 / speech_sec
        peak_gb = torch.cuda.max_memory_allocated(device) / GIGA if on_gpu else float("nan")
        hours = steps * step_sec.median / 3600
        rows.append(HoursRow(config.stem, str(device), speech_sec, step_sec, hours, peak_gb))
        del model, batch
    return rows


def show(rows: Sequence[HoursRow]) -> None:
    header = ["config", "device", "speech s/step", "step s (min-max)", "hours", "peak GB"]
    cells: list[list[Any]] = [
        [
            r.config,
            r.device,
            f"{r.speech_sec:.0f}",
            r.step_sec,
            f"{r.hours:.0f}",
            f"{r.peak_gb:.1f}",
        ]
        for r in rows
    ]
    print_table(header, cells)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = new_parser(__doc__, "2 steps of 5 s", 10)
    parser.add_argument("configs", type=Path, nargs="+", metavar="CONFIG")
    parser.add_argument("--hours", type=float, required=True, help="speech, all speeds together")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=12.0, help="length of each utterance")
    parser.add_argument("--vocab", type=int, default=256)
    options = parse_and_set_up(parser, argv)
    if options.quick:
        options.repeats, options.seconds = 2, 5.0
    return options


def main(argv: Sequence[str] | None = None) -> None:
    options = parse(argv)
    use_threads(options.threads[0], options.clock)
    quiet_host()
    widen_primitive_cache()
    facts = machine()
    if options.device != "cpu":
        facts["gpu"] = torch.cuda.get_device_name(options.device)
    print(machine_line(facts), flush=True)
    rows = measure(options)
    show(rows)
    if options.output is not None:
        write_tables(options.output, facts, {"training_hours": rows})


if __name__ == "__main__":
    main()
