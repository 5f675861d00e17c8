"""A data directory with babble added: the voices of four utterances of another set at once.

python add_noise.py dump/raw/test dump/raw/org/train_nodev_sp --snr 10 --out dump/raw/test_snr10
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torchaudio.functional import add_noise

from espnet_ee.data.audio import RATE, encode, read_audio
from espnet_ee.data.files import write_lines_atomic
from espnet_ee.data.kaldi import read_data_dir, write_data_dir
from espnet_ee.scoring import FloatArray

VOICES = 4
SEED = 0
LOUDEST = 0.99  # of a mixture; louder ones are scaled down whole


def babble(paths: list[str], samples: int, rng: np.random.Generator) -> FloatArray:
    """The sum of some utterances of equal power, each repeated from a random place, ``(N,)``."""
    total = np.zeros(samples)
    for path in rng.choice(paths, VOICES, replace=False):
        voice = read_audio(path).samples.astype(np.float64)
        turned = np.roll(voice, -int(rng.integers(len(voice))))
        total += np.resize(turned / np.sqrt(np.mean(turned**2)), samples)
    return total


def main() -> None:
    """Write audio and tables; a finished directory is left alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clean", type=Path)
    parser.add_argument("voices", type=Path, help="data directory of other speakers")
    parser.add_argument("--snr", type=float, required=True, help="speech over babble in dB")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if (args.out / "wav.scp").exists():
        return
    clean, paths = read_data_dir(args.clean), sorted(read_data_dir(args.voices).wav_scp.values())
    audio, lengths = args.out / "data", {}
    audio.mkdir(parents=True, exist_ok=True)
    for number, (utt_id, path) in enumerate(sorted(clean.wav_scp.items())):
        rng = np.random.default_rng((SEED, number))  # the same babble at every ratio
        speech = read_audio(path).samples
        noise = torch.from_numpy(babble(paths, len(speech), rng))
        mixed = add_noise(torch.from_numpy(speech).double(), noise, torch.tensor(args.snr)).numpy()
        mixed = mixed * min(1.0, LOUDEST / np.abs(mixed).max())
        (audio / f"{utt_id}.flac").write_bytes(encode(mixed.astype(np.float32), RATE, "flac"))
        lengths[utt_id] = len(speech)
    write_lines_atomic(args.out / "utt2num_samples", (f"{k} {v}" for k, v in lengths.items()))
    files = {utt_id: str(audio / f"{utt_id}.flac") for utt_id in clean.wav_scp}
    write_data_dir(args.out, replace(clean, wav_scp=files))


if __name__ == "__main__":
    main()
