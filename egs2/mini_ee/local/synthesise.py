#!/usr/bin/env python3
"""Synthesise the speech of egs2/mini_ee with espeak-ng, or check the copy that is committed.

    python local/synthesise.py           # write corpus/ anew
    python local/synthesise.py --check   # synthesise in memory and compare with corpus/

Needs espeak-ng (the command), numpy, scipy and soundfile. The same espeak-ng version gives the same
samples; corpus/MANIFEST.tsv holds the version and the samples' SHA-256 before Opus coding.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from corpus_grammar import Sentences, spoken
from corpus_noise import RATE_HZ, Signal, babble, coloured, rms, scaled_to_snr, tones
from corpus_plan import SEED, Utterance, plan
from corpus_voices import Voice, voices
from scipy.signal import resample_poly

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
PARTS = ("train", "dev", "test_clean", "test_noisy")
ESPEAK_RATE_HZ = 22050
WAV_HEADER_BYTES = 44
SILENCE_SEC = 0.15  # kept before and after the speech
SILENCE_DB = -40.0  # under the loudest 10 ms
PEAK_MAX = 0.95
OPUS_COMPRESSION = 0.97  # libsndfile: 6 + 250 * (1 - 0.97) = 13.5 kbit/s before Ogg's overhead
COLUMNS = ["utterance", "part", "noise", "snr_db", "level_dbfs", "samples", "sha256"]


def espeak_version() -> str:
    """Return the version of the installed espeak-ng, e.g. ``1.51``."""
    if shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng is not installed; try: apt-get install espeak-ng")
    text = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True)
    return text.stdout.partition("text-to-speech: ")[2].split()[0]


def speak(voice: Voice, text: str) -> Signal:
    """Return ``text`` spoken by ``voice`` at 16 kHz with 0.15 s of silence at both ends."""
    # Amplitude 40 of 200 keeps the loud variants from clipping inside espeak-ng.
    options = ["-v", voice.name, "-s", str(voice.speed_wpm), "-p", str(voice.pitch), "-a", "40"]
    command = ["espeak-ng", *options, "--stdout", spoken(text)]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    signal = np.frombuffer(wav[WAV_HEADER_BYTES:], dtype="<i2") / 32768.0
    return trimmed(resample_poly(signal, RATE_HZ, ESPEAK_RATE_HZ))


def trimmed(signal: Signal) -> Signal:
    """Return the speech with exactly SILENCE_SEC around it, padded with zeros where it has less."""
    hop = RATE_HZ // 100
    frames = signal[: len(signal) // hop * hop].reshape(-1, hop)
    power = np.mean(np.square(frames), axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (SILENCE_DB / 10))
    keep = round(SILENCE_SEC * RATE_HZ)
    padded = np.pad(signal, keep)
    return padded[loud[0] * hop : (loud[-1] + 1) * hop + 2 * keep]


def babble_talkers() -> list[Signal]:
    """Return about 20 s of speech, at equal level, of each voice that is kept for babble."""
    talkers = []
    for voice in voices("babble", SEED):
        sentences = Sentences(random.Random(f"{SEED}/babble/{voice.speaker}"))
        signal = np.concatenate([speak(voice, sentences.draw()) for _ in range(7)])
        talkers.append(signal / rms(signal))
    return talkers


def noise_for(utterance: Utterance, num_samples: int, talkers: list[Signal]) -> Signal:
    """Return the utterance's noise, of any level."""
    digest = hashlib.sha256(f"{SEED}/noise/{utterance.utt_id}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))
    if utterance.noise == "babble":
        return babble(num_samples, rng, talkers)
    if utterance.noise == "tones":
        return tones(num_samples, rng)
    return coloured(num_samples, rng)


def render(utterance: Utterance, talkers: list[Signal]) -> np.ndarray:
    """Return the utterance as 16-bit samples ``(samples,)`` at 16 kHz: speech, noise, level."""
    speech = speak(utterance.voice, utterance.text)
    noise = noise_for(utterance, len(speech), talkers)
    mixture = speech + scaled_to_snr(noise, speech, utterance.snr_db)
    mixture *= 10 ** (utterance.level_dbfs / 20) / rms(mixture)
    mixture *= min(1.0, PEAK_MAX / float(np.abs(mixture).max()))
    return np.round(mixture * 32767).astype("<i2")


def manifest_row(utterance: Utterance, samples: np.ndarray) -> str:
    """Return the utterance's line in MANIFEST.tsv."""
    fields = [
        utterance.utt_id,
        utterance.part,
        utterance.noise,
        f"{utterance.snr_db:g}",
        f"{utterance.level_dbfs:g}",
        str(len(samples)),
        hashlib.sha256(samples.tobytes()).hexdigest(),
    ]
    return "\t".join(fields)


def audio_path(utterance: Utterance, corpus: Path = CORPUS) -> Path:
    """Return where the utterance's audio lies."""
    return corpus / utterance.directory / f"{utterance.utt_id}.opus"


def transcripts(utterances: list[Utterance]) -> dict[str, str]:
    """Return the content of every ``*.trans.txt``, keyed by its path under the corpus."""
    texts: dict[str, str] = defaultdict(str)
    for utterance in utterances:
        chapter = utterance.utt_id.rsplit("-", 1)[0]
        path = f"{utterance.directory}/{chapter}.trans.txt"
        texts[path] += f"{utterance.utt_id} {utterance.text}\n"
    return dict(texts)


def speakers(utterances: list[Utterance], samples: dict[str, int]) -> str:
    """Return SPEAKERS.TXT: LibriSpeech's columns, with the voice as the name."""
    minutes: dict[tuple[str, Voice], float] = defaultdict(float)
    for utterance in utterances:
        key = (utterance.part, utterance.voice)
        minutes[key] += samples[utterance.utt_id] / RATE_HZ / 60
    lines = [
        f"{voice.speaker} | {voice.sex} | {part:<10} | {total:.2f} | {voice.describe()}\n"
        for (part, voice), total in minutes.items()
    ]
    return ";ID | SEX | SUBSET     | MINUTES | NAME\n" + "".join(lines)


def write() -> None:
    """Replace the audio, the transcripts, SPEAKERS.TXT and MANIFEST.tsv of the corpus."""
    utterances, talkers = plan(), babble_talkers()
    for part in PARTS:
        shutil.rmtree(CORPUS / part, ignore_errors=True)
    rows, lengths = [], {}
    for utterance in utterances:
        samples = render(utterance, talkers)
        path = audio_path(utterance)
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(
            path,
            samples,
            RATE_HZ,
            format="OGG",
            subtype="OPUS",
            compression_level=OPUS_COMPRESSION,
        )
        rows.append(manifest_row(utterance, samples))
        lengths[utterance.utt_id] = len(samples)
    header = f"# espeak-ng {espeak_version()}\n" + "\t".join(COLUMNS) + "\n"
    (CORPUS / "MANIFEST.tsv").write_text(header + "\n".join(rows) + "\n")
    (CORPUS / "SPEAKERS.TXT").write_text(speakers(utterances, lengths))
    for name, text in transcripts(utterances).items():
        (CORPUS / name).write_text(text)


def differences() -> Iterator[str]:
    """Yield one line for each thing in the corpus that a new synthesis gives differently."""
    version, _, *rows = (CORPUS / "MANIFEST.tsv").read_text().splitlines()
    if version != f"# espeak-ng {espeak_version()}":
        yield f"MANIFEST.tsv is of {version[2:]}, this machine has espeak-ng {espeak_version()}"
        return
    utterances, talkers = plan(), babble_talkers()
    if len(rows) != len(utterances):
        yield f"MANIFEST.tsv has {len(rows)} utterances, the plan has {len(utterances)}"
    for utterance, row in zip(utterances, rows, strict=False):
        samples = render(utterance, talkers)
        if row != manifest_row(utterance, samples):
            yield f"{utterance.utt_id}: other samples than in MANIFEST.tsv"
        info = soundfile.info(audio_path(utterance))
        if (info.samplerate, info.frames) != (RATE_HZ, len(samples)):
            yield f"{utterance.utt_id}: {info.frames} samples at {info.samplerate} Hz on disk"
    for name, text in transcripts(utterances).items():
        if (CORPUS / name).read_text() != text:
            yield f"{name}: other transcripts"


def main() -> int:
    """Write the corpus, or compare it with a new synthesis; 1 if they differ."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    if not parser.parse_args().check:
        write()
        return 0
    found = list(differences())
    print("\n".join(found) or "the corpus is what this script makes", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
