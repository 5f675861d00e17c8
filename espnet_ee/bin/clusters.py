"""``espnet-ee clusters``: what the policy of that name needs, fitted to a model and some audio."""

from __future__ import annotations

import argparse
from pathlib import Path

from espnet_ee.bin.options import positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--wav_scp", required=True, metavar="FILE", help="Kaldi wav.scp; no text is needed"
    )
    parser.add_argument("--exp", required=True, metavar="EXP", help="experiment; gets clusters.npz")
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="of the experiment, instead of its n-best average"
    )
    parser.add_argument("--num_clusters", type=positive, default=50, help="of k-means")
    parser.add_argument("--utterances", type=positive, default=500, help="of the audio, at most")
    parser.add_argument("--threads", type=positive, default=1, help="of torch on the CPU")
    parser.add_argument("--seed", type=int, default=0, help="of k-means")


def run(args: argparse.Namespace) -> int:
    """Fit and write."""
    import torch

    from espnet_ee.clusters import CLUSTERS_NAME
    from espnet_ee.data.kaldi import read_table
    from espnet_ee.host.cluster_fitting import fit_clusters
    from espnet_ee.host.inference import EarlyExitSpeech2Text

    torch.set_num_threads(args.threads)
    paths = read_table(Path(args.wav_scp))
    step = -(-len(paths) // args.utterances)
    asr = EarlyExitSpeech2Text.from_exp(args.exp, args.checkpoint)
    clusters = fit_clusters(asr, dict(list(paths.items())[::step]), args.num_clusters, args.seed)
    clusters.save(Path(args.exp) / CLUSTERS_NAME)
    print(f"{Path(args.exp) / CLUSTERS_NAME}: {clusters.count} clusters at {asr.exit_layers}")
    return 0
