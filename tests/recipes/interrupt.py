"""Interrupt every stage of a recipe in its midst, again and again, and compare what comes out.

    python tests/recipes/interrupt.py        egs2/mini_ee with its tiny model: some minutes

A copy of the recipe runs undisturbed, another is stopped once by SIGINT, as Ctrl-C does, and once
by SIGKILL, as a power cut does, in every stage, each time followed by the same command. Both end in
the same results, or the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGES = (1, 2, 3, 4, 5, 10, 11, 12, 13, 14)
OPTIONS = ("--asr_config", "conf/train_ee_smoke.yaml", "--speed_perturb_factors", "0.9 1.0")
OPTIONS += ("--skip_packing", "false")
BEGINS = re.compile(r"\(asr_ee\.sh\) Stage (\d+): (?!skipped|done before|.*log in)")
# of RESULTS.md: dates, folders of this machine, how fast it was
CHANGES = re.compile(r"date:|Git hash|Commit date|sha256|RTF|latency", re.IGNORECASE)


def copy_recipe(name: str, folder: Path) -> Path:
    """The recipe without what it has made, in a folder shaped like the project's."""
    ignored = shutil.ignore_patterns("data", "dump", "exp", "downloads")
    shutil.copytree(ROOT / "egs2" / name, folder / "egs2" / name, symlinks=True, ignore=ignored)
    for link in ("conf", "espnet_ee", "egs2/TEMPLATE_ee"):
        (folder / link).symlink_to(ROOT / link)
    return folder / "egs2" / name


def start(recipe: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["./run.sh", *OPTIONS, *options],
        cwd=recipe,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(recipe: Path) -> dict[int, float]:
    """Run to the end; seconds that each stage took."""
    began, shown = {}, []
    with start(recipe) as process:
        assert process.stdout
        for line in process.stdout:
            shown.append(line)
            if found := BEGINS.search(line):
                began.setdefault(int(found[1]), time.monotonic())
    if process.returncode:
        sys.exit("".join(shown[-40:]) + f"exit code {process.returncode}, want 0")
    ends = [*list(began.values())[1:], time.monotonic()]
    return {stage: end - begin for (stage, begin), end in zip(began.items(), ends, strict=True)}


def interrupt(recipe: Path, stage: int, how: signal.Signals, took_sec: float) -> None:
    """Stop a run in the midst of a stage; earlier, where the stage had ended before the signal."""
    after_sec, options = took_sec / 2, ["--stop_stage", str(stage)]
    while not stop(recipe, stage, how, after_sec, options):
        after_sec /= 2
        options = ["--stage", str(stage), "--stop_stage", str(stage)]
    say(f"stage {stage:2}: {how.name} after {after_sec:.1f} of {took_sec:.1f} s")


def stop(
    recipe: Path, stage: int, how: signal.Signals, after_sec: float, options: list[str]
) -> bool:
    """Send the signal so long after the stage began; whether it still ran."""
    with start(recipe, *options) as process:
        assert process.stdout
        for line in process.stdout:
            found = BEGINS.search(line)
            if found and int(found[1]) == stage:
                break
        time.sleep(after_sec)
        running = process.poll() is None
        if running:
            os.killpg(process.pid, how)
        process.stdout.read()  # ends when all that wrote to it have ended
    return running


def results(recipe: Path) -> list[str]:
    """What the recipe found: the lines of RESULTS.md that depend on nothing else, and all texts."""
    (table,) = recipe.glob("exp/asr_*/RESULTS.md")
    lines = table.read_text(encoding="utf-8").splitlines()
    texts = sorted(recipe.glob("exp/asr_*/inference*/*/text"))
    texts += sorted(recipe.glob("dump/raw/*/utt2num_samples"))
    return [line for line in lines if not CHANGES.search(line)] + [
        f"{path.relative_to(recipe)}\n{path.read_text(encoding='utf-8')}" for path in texts
    ]


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipe", default="mini_ee")
    parser.add_argument("--stages", type=int, nargs="+", default=STAGES)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = copy_recipe(args.recipe, Path(folder) / "undisturbed")
        took = run(undisturbed)
        disturbed = copy_recipe(args.recipe, Path(folder) / "disturbed")
        for stage in args.stages:
            for how in (signal.SIGINT, signal.SIGKILL):
                interrupt(disturbed, stage, how, took[stage])
        run(disturbed)
        expected, found = results(undisturbed), results(disturbed)
    different = [line for line in found if line not in expected]
    if found != expected:
        sys.exit("\n".join(["the results differ:", *different[:10]]))
    say(f"the same {len(expected)} tables and texts as without interruption")


if __name__ == "__main__":
    main()
