"""How often a promised excess is exceeded, over simulated development sets: RESULTS.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from espnet_ee.baselines import fixed_exits
from espnet_ee.records import RECORD_NAME, read_record
from espnet_ee.replay import first_exit, operating_point
from espnet_ee.report.files import write_text
from espnet_ee.report.tables import markdown
from espnet_ee.rules.risk import control_risk, excess_errors
from espnet_ee.scored_set import ScoredSet, pool, score_set
from espnet_ee.scoring import FloatArray

HERE = Path(__file__).resolve().parent
SETS = ("dev", "test_clean", "test_noisy")
POLICIES = ("entropy", "agreement", "known_words")
NOISE = "noise"
DRAWS = 1000
SIZES = (100, 400)  # utterances of a development set
PROMISES = ((0.02, 0.9), (0.05, 0.9), (0.05, 0.95), (0.1, 0.95))
SEED = 0
COLUMNS = (
    *("score", "utterances", "excess at most", "confidence"),
    *("draws above it", "allowed", "last exit only", "mean excess", "mean cost"),
)


def results(records: Path) -> str:
    """RESULTS.md of the records below a folder."""
    world = pool([score_set(read_record(records / name / RECORD_NAME)) for name in SETS])
    return "\n".join(
        [
            "# Promised and kept",
            "",
            f"{DRAWS} development sets, seed {SEED}, drawn with replacement from the "
            f"{len(world.seconds)} utterances of {', '.join(SETS)} (egs2/mini_ee). Excess: mean "
            "over utterances of word errors more than the last exit's, per word, never below 0. "
            "Cost: of the last exit's. Written by `./run.sh`.",
            "",
            *markdown(COLUMNS, _rows(world)),
            "",
        ]
    )


def _rows(world: ScoredSet) -> Iterator[list[str]]:
    losses, rng = excess_errors(world), np.random.default_rng(SEED)
    for name in (*POLICIES, NOISE):
        scores = rng.normal(size=losses.shape) if name == NOISE else world.scores[name]
        policy = POLICIES[0] if name == NOISE else name  # what noise would cost, if it read them
        for size in SIZES:
            draws = rng.integers(0, len(losses), (DRAWS, size))
            for limit, confidence in PROMISES:
                thresholds = np.array(
                    [
                        control_risk(scores[rows], losses[rows], limit, confidence).threshold
                        for rows in draws
                    ]
                )
                kept = [_true(world, policy, scores, losses, limit) for limit in thresholds]
                risks, costs = np.array(kept).T
                yield [
                    *(name, str(size), f"{100 * limit:g} %", f"{100 * confidence:g} %"),
                    f"{100 * (risks > limit).mean():.1f} %",
                    f"{100 * (1 - confidence):g} %",
                    f"{100 * np.isinf(thresholds).mean():.1f} %",
                    f"{100 * risks.mean():.2f} %",
                    f"{100 * costs.mean():.0f} %",
                ]


def _true(
    world: ScoredSet, policy: str, scores: FloatArray, losses: FloatArray, threshold: float
) -> tuple[float, float]:
    """Excess and share of the last exit's cost on the whole world."""
    picks = first_exit(scores, threshold)
    point = operating_point(world, picks, policy)
    last = fixed_exits(world)[-1].gflops_per_second
    return float(losses[np.arange(len(losses)), picks].mean()), point.gflops_per_second / last


if __name__ == "__main__":
    write_text(HERE / "RESULTS.md", results(HERE / "records"))
    sys.stdout.write((HERE / "RESULTS.md").read_text(encoding="utf-8"))
