"""``espnet-ee cost``: GFLOPs up to each exit of a configured model, per second of audio."""

from __future__ import annotations

import argparse
from pathlib import Path

from espnet_ee.bin.options import amount


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("config", help="config.yaml written by training (no checkpoint is needed)")
    parser.add_argument("--seconds", type=amount, default=10.0, help="length of the utterance")


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    from espnet_ee.host.checkpoint import build_model, read_training_config
    from espnet_ee.host.costing import reference_cost, sample_rate_of

    config, length = Path(args.config), args.seconds
    settings = read_training_config(config)
    model = build_model(settings, config).eval()
    layers = model.encoder.exit_layers
    cost = reference_cost(model, length, sample_rate_of(settings))
    full = cost.until(len(layers) - 1, reads_posteriors=True)
    from_features = model.frontend is None and not model.encoder.reads_samples
    origin = "features" if from_features else "waveform"
    print(f"GFLOPs per second of audio, counted from the {origin}, {length:.1f} s utterance,")
    print("scored at every exit by the costliest policy")
    print(f"{'up to':<12}{'GFLOPs/s':>10}{'share':>8}   head and scoring")
    print(f"{'block 1':<12}{cost.floor_gflops / length:>10.3f}{cost.floor_gflops / full:>8.1%}")
    for index, layer in enumerate(layers):
        total = cost.until(index, reads_posteriors=True)
        head = (cost.head_gflops[index] + cost.score_gflops) / length
        print(f"{f'exit {layer}':<12}{total / length:>10.3f}{total / full:>8.1%}{head:>19.4f}")
    return 0
