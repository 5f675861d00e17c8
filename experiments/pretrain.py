"""The stages of pre-training that ESPnet's HuBERT task leaves to the user: targets and export.

As the first iteration of HuBERT (arXiv:2106.07447, section 3.1): k-means of 39 MFCC at 20 ms.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
from sklearn.cluster import MiniBatchKMeans

from espnet_ee.data.kaldi import read_table

CLUSTERS = 50
PREFIX = "encoder.hubert_pretrain_model."


def features(path: str) -> np.ndarray:
    """``(T, 39)`` MFCC with deltas; ``T`` is the number of frames behind HuBERT's CNN."""
    samples, rate = soundfile.read(path, dtype="float32")
    mfcc = torchaudio.compliance.kaldi.mfcc(
        torch.from_numpy(samples)[None] * 2**15,  # Kaldi's range
        sample_frequency=rate,
        frame_length=25.0,
        frame_shift=20.0,
        use_energy=False,
    ).T
    delta = torchaudio.functional.compute_deltas(mfcc)
    second = torchaudio.functional.compute_deltas(delta)
    return torch.cat([mfcc, delta, second]).T.numpy()


def targets(scps: list[Path]) -> None:
    """Cluster the first set, at most 2,000 of its utterances.

    Writes ``units`` and ``speech_shape`` beside each, ``tokens.txt`` beside the first.
    """
    utterances = read_table(scps[0])
    some = list(utterances.values())[:: 1 + len(utterances) // 2000]
    kmeans = MiniBatchKMeans(CLUSTERS, batch_size=10000, n_init=5, random_state=0)
    kmeans.fit(np.concatenate([features(path) for path in some]))
    for scp in scps:
        with (
            scp.with_name("units").open("w", encoding="utf-8") as units,
            scp.with_name("speech_shape").open("w", encoding="utf-8") as shapes,
        ):
            for utterance, path in read_table(scp).items():
                units.write(f"{utterance} {' '.join(map(str, kmeans.predict(features(path))))}\n")
                shapes.write(f"{utterance} {soundfile.info(path).frames}\n")
    tokens = [*map(str, range(CLUSTERS)), "<unk>"]  # ESPnet wants one for unknown words
    scps[0].with_name("tokens.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")


def export(checkpoint: Path, out: Path) -> None:
    """Write the network that fine-tuning starts from, in torchaudio's names."""
    states = torch.load(checkpoint, map_location="cpu", weights_only=True)
    kept = {
        name.removeprefix(f"{PREFIX}wav2vec2."): tensor
        for name, tensor in states.items()
        if name.startswith(f"{PREFIX}wav2vec2.")
    }
    torch.save(kept, out)


def main() -> None:
    """Run one of the two stages."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("targets", help="cluster audio")
    command.add_argument("scps", nargs="+", type=Path, metavar="WAV_SCP")
    command = commands.add_parser("export", help="take the network out of a checkpoint")
    command.add_argument("checkpoint", type=Path)
    command.add_argument("--out", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    if args.command == "targets":
        targets(args.scps)
    else:
        export(args.checkpoint, args.out)


if __name__ == "__main__":
    main()
