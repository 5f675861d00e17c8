"""Stands in for asr_train and asr_inference: writes the same files, without a model, in no time."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from espnet_ee.data.kaldi import read_table
from espnet_ee.records import ExitHypothesis, RecordHeader, RecordWriter, UtteranceRecord

LAYERS = (1, 2)


def parse(words: list[str]) -> dict[str, list[str]]:
    """``--name value`` pairs; a name may come more than once."""
    options: dict[str, list[str]] = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        options.setdefault(name.removeprefix("--"), []).append(value)
    return options


def collect_stats(options: dict[str, list[str]], output: Path) -> None:
    for part in ("train", "valid"):
        keys = read_table(Path(options[f"{part}_shape_file"][0]))
        folder = output / part
        folder.mkdir(parents=True)
        for name, shape in (("speech", "16000"), ("text", "12")):
            lines = "".join(f"{key} {shape}\n" for key in keys)
            (folder / f"{name}_shape").write_text(lines)
        (folder / "batch_keys").write_text("speech\ntext\n")
        (folder / "stats_keys").write_text("feats\n")
        np.savez(folder / "feats_stats.npz", count=1, sum=np.ones(2), sum_square=np.ones(2))


def train(options: dict[str, list[str]]) -> None:
    output = Path(options["output_dir"][0])
    if "collect_stats" in options:
        collect_stats(options, output)
        return
    assert all(Path(name).exists() for name in options["train_shape_file"])
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.yaml").write_text("max_epoch: 1\n")
    (output / "checkpoint.pth").touch()
    (output / "valid.cer_ctc.ave.pth").write_text(" ".join(sys.argv))


def obstruct(output: Path) -> None:
    """What a test asks for by a file: ``break_N`` fails job N, ``hold_N`` keeps it."""
    number = output.suffix.removeprefix(".")
    with Path("decoded").open("a") as stream:
        stream.write(f"{number}\n")
    if Path(f"break_{number}").exists():
        sys.exit("broken as asked")
    while Path(f"hold_{number}").exists():
        time.sleep(0.1)


def decode(options: dict[str, list[str]]) -> None:
    output = Path(options["output_dir"][0])
    data = Path(options["data_path_and_name_and_type"][0].split(",")[0]).parent
    texts = read_table(data / "text")
    obstruct(output)
    keys = read_table(Path(options["key_file"][0]))
    names = ("", *(f"exit{layer:02}" for layer in LAYERS))
    for folder in (output / name / "1best_recog" for name in names):
        folder.mkdir(parents=True)
        for name in ("text", "token", "token_int", "score"):
            (folder / name).write_text("".join(f"{key} {texts[key]}\n" for key in keys))
    model = Path(options["asr_model_file"][0])
    header = RecordHeader(
        data.name,
        LAYERS,
        2,
        {},
        str(model.with_name("config.yaml")),
        str(model),
        "0" * 64,
        {},
        0,
        1,
        1,
        30,
    )
    exits = [ExitHypothesis(text, (), {}) for text in ("ONE", "ONE TWO")]
    with RecordWriter(output / "record.jsonl.gz", header) as writer:
        for key in keys:
            speaker = key.split("-")[0]
            writer.write(
                UtteranceRecord(
                    key,
                    speaker,
                    texts[key],
                    1.0,
                    25,
                    (1.0, 2.0),
                    (0.1, 0.1),
                    tuple(exits),
                    (0.0,) * 2,
                )
            )


if __name__ == "__main__":
    tool, *words = sys.argv[1:]
    {"espnet_ee.bin.asr_train": train, "espnet_ee.bin.asr_inference": decode}[tool](parse(words))
