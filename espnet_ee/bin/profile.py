"""``espnet-ee profile``: how long a model takes to each exit on this machine, for deadlines."""

from __future__ import annotations

import argparse

from espnet_ee.bin.options import amount, check_device, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--exp", required=True, metavar="MODEL", help="as of recognize")
    parser.add_argument("--output", required=True, metavar="JSON", help="where the profile goes")
    parser.add_argument(
        "--seconds", type=amount, nargs="+", help="lengths of audio; default 1 to 24"
    )
    parser.add_argument("--repeats", type=positive, default=5, help="of each length and exit")
    parser.add_argument("--threads", type=positive, default=1, help="of torch on the CPU")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")


def run(args: argparse.Namespace) -> int:
    """Measure, write and print."""
    import torch

    device = check_device(args.device)
    torch.set_num_threads(args.threads)

    from espnet_ee.host.inference import EarlyExitSpeech2Text
    from espnet_ee.host.profiling import LENGTHS_SEC, measure_latency
    from espnet_ee.latency import QUANTILE

    asr = EarlyExitSpeech2Text.from_pretrained(args.exp, device, 1)
    profile = measure_latency(asr, args.seconds or LENGTHS_SEC, args.repeats)
    profile.save(args.output)
    where = profile.setting
    print(f"{where.cpu}, {where.device}, {where.threads} thread(s), {profile.date}")
    print("ms of computing from the waveform to the text, one utterance alone")
    lengths = profile.lengths_sec
    print(f"{'audio':<10}" + "".join(f"{f'{sec:g} s':>9}" for sec in lengths))
    times = [profile.ms(sec) for sec in lengths]
    for index, layer in enumerate(profile.layers):
        print(f"{f'exit {layer}':<10}" + "".join(f"{row[index]:>9.1f}" for row in times))
    print(f"kept by {QUANTILE:.0%} of the calls measured: {profile.margin:.2f} times their fit")
    return 0
