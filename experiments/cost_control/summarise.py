"""How well a controller holds a mean cost when clean speech turns noisy, by replay: RESULTS.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from espnet_ee.bandit import ThresholdBandit, prices_for
from espnet_ee.controller import CostController, CostCurve
from espnet_ee.records import RECORD_NAME, read_record
from espnet_ee.report.files import write_text
from espnet_ee.scored_set import ScoredSet, pool, score_set
from espnet_ee.streams import (
    FixedThreshold,
    ReplayedStream,
    ThresholdChooser,
    replay_stream,
    stream_order,
)

HERE = Path(__file__).resolve().parent
SET_NAMES = ("dev", "test_clean", "test_noisy")
POLICIES = ("entropy", "spoken_confidence", "agreement", "patience")
BANDIT_POLICIES = ("entropy", "confidence")
SHARES = (0.5, 0.65, 0.8)  # of the cost of always taking the last exit
GAINS = (0.05, 0.1, 0.2, 0.4)
SEEDS = tuple(range(5))
HALF = 500  # utterances of each kind
WINDOW = 50
SETTLING = 100  # utterances after the step that the windowed figures leave out
BAND = 0.05


@dataclass(frozen=True)
class Sets:
    """Where thresholds come from, and what the stream is drawn from."""

    dev: ScoredSet
    clean: ScoredSet
    noisy: ScoredSet

    @property
    def stream(self) -> ScoredSet:
        return pool([self.clean, self.noisy])

    def order(self, seed: int) -> np.ndarray:
        """Rows of ``stream``: clean ones in random order, then noisy ones."""
        noisy = stream_order(len(self.noisy.seconds), HALF, seed) + len(self.clean.seconds)
        return np.concatenate([stream_order(len(self.clean.seconds), HALF, seed), noisy])


@dataclass(frozen=True)
class Figures:
    """Of one stream; deviations are shares of the target.

    Attributes:
        whole: Of the mean cost.
        clean: Of the first half's.
        noisy: Of the second half's.
        window: Largest of a window after settling.
        within: Share of the settled windows within the band.
        wer: Of the whole stream, a fraction.
    """

    whole: float
    clean: float
    noisy: float
    window: float
    within: float
    wer: float


def read_sets(records: Path) -> Sets:
    return Sets(*(score_set(read_record(records / name / RECORD_NAME)) for name in SET_NAMES))


def windowed(stream: ReplayedStream) -> np.ndarray:
    """``(N - WINDOW + 1,)`` mean costs per second of the windows that end at each utterance."""
    costs, seconds = (np.cumsum(np.r_[0.0, v]) for v in (stream.costs, stream.seconds))
    return (costs[WINDOW:] - costs[:-WINDOW]) / (seconds[WINDOW:] - seconds[:-WINDOW])


def settled_windows() -> np.ndarray:
    """Of the windows, those that lie in one half and do not begin just after a change."""
    ends = np.arange(WINDOW, 2 * HALF + 1)
    inside = (ends <= HALF) | (ends - WINDOW >= HALF)
    since = np.where(ends <= HALF, ends, ends - HALF) - WINDOW
    return inside & (since >= SETTLING)


def figures_of(sets: Sets, stream: ReplayedStream, target: float) -> Figures:
    def off(part: slice) -> float:
        return float(stream.costs[part].sum() / stream.seconds[part].sum() / target - 1.0)

    windows = np.abs(windowed(stream)[settled_windows()] / target - 1.0)
    return Figures(
        whole=off(slice(None)),
        clean=off(slice(0, HALF)),
        noisy=off(slice(HALF, None)),
        window=float(windows.max()),
        within=float((windows <= BAND).mean()),
        wer=stream.wer(sets.stream),
    )


def controlled(curve: CostCurve, target: float) -> ThresholdChooser:
    return CostController(curve, target)


def fixed(curve: CostCurve, target: float) -> ThresholdChooser:
    """The threshold that has this cost on dev."""
    return FixedThreshold(curve.threshold(target))


Make = Callable[[CostCurve, float], ThresholdChooser]
KINDS: dict[str, Make] = {"controller": controlled, "fixed": fixed}


def over_seeds(sets: Sets, policy: str, share: float, make: Make) -> list[str]:
    """Cells of one row: the worst of each figure over the seeds, the mean WER."""
    curve, found = CostCurve.of(sets.dev, policy), []
    target = share * float(curve.costs[-1])
    for seed in SEEDS:
        order = sets.order(seed).tolist()
        stream = replay_stream(sets.stream, policy, make(curve, target), order)
        found.append(figures_of(sets, stream, target))
    worst = [
        f"{100 * max((getattr(f, name) for f in found), key=abs):+.1f}"
        for name in ("whole", "clean", "noisy")
    ]
    return [
        *worst,
        f"{100 * max(f.window for f in found):.1f}",
        f"{100 * float(np.mean([f.within for f in found])):.0f}",
        f"{100 * float(np.mean([f.wer for f in found])):.1f}",
    ]


COLUMNS = ("whole", "clean", "noisy", f"window of {WINDOW}", "windows within 5 %", "WER")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["|" + "|".join(titles) + "|", "|" + "---|" * len(titles)]
    return [*lines, *("|" + "|".join(row) + "|" for row in rows), ""]


def control_rows(sets: Sets) -> list[list[str]]:
    return [
        [policy, f"{100 * share:.0f}", kind, *over_seeds(sets, policy, share, make)]
        for policy in POLICIES
        for share in SHARES
        for kind, make in KINDS.items()
    ]


def gain_rows(sets: Sets) -> list[list[str]]:
    return [
        [f"{gain:g}", *over_seeds(sets, "entropy", SHARES[1], partial(CostController, gain=gain))]
        for gain in GAINS
    ]


def bandit_rows(sets: Sets) -> list[list[str]]:
    """The bandit, its price from dev, and the fixed threshold that costs the same on that set."""
    rows = []
    for policy in BANDIT_POLICIES:
        full = float(CostCurve.of(sets.dev, policy).costs[-1])
        order = stream_order(len(sets.dev.seconds), HALF, 0).tolist()
        targets = [share * full for share in SHARES]
        prices = prices_for(sets.dev, policy, targets, order=order)
        for share, price in zip(SHARES, prices, strict=True):
            for name, scored in (("test_clean", sets.clean), ("test_noisy", sets.noisy)):
                costs, wers, same = [], [], []
                for seed in SEEDS:
                    order = stream_order(len(scored.seconds), HALF, seed).tolist()
                    bandit = ThresholdBandit(sets.dev, policy, price)
                    stream = replay_stream(scored, policy, bandit, order)
                    costs.append(stream.mean_cost / full)
                    wers.append(stream.wer(scored))
                    curve = CostCurve.of(scored, policy)
                    fixed = FixedThreshold(curve.threshold(stream.mean_cost))
                    same.append(replay_stream(scored, policy, fixed, order).wer(scored))
                shown = [f"{100 * float(np.mean(v)):.1f}" for v in (costs, wers, same)]
                rows.append([policy, f"{100 * share:.0f}", f"{price:.3f}", name, *shown])
    return rows


def results(records: Path) -> str:
    """RESULTS.md."""
    sets = read_sets(records)
    return "\n".join(
        [
            "# A mean cost through a step of difficulty",
            "",
            "Made by `./run.sh` from `records/`; do not edit.",
            "",
            f"{HALF} utterances of test_clean, then {HALF} of test_noisy, each set in random order "
            f"again and again; seeds {SEEDS[0]} to {SEEDS[-1]}.",
            "Thresholds start from dev. Deviations of the mean cost from the target in %, the worst"
            " of all seeds;",
            f"windows of {WINDOW} utterances lie in one half and begin {SETTLING} or more after a "
            "change. WER in %, mean of the seeds.",
            "",
            "![Mean cost through a step of difficulty](cost_control.png)",
            "",
            "## Controller against the fixed threshold of dev",
            "",
            *table(("policy", "target, % of full", "threshold", *COLUMNS), control_rows(sets)),
            "## Gain, entropy at 65 %",
            "",
            *table(("gain", *COLUMNS), gain_rows(sets)),
            "## Bandit",
            "",
            "Its price is that whose mean cost on dev comes nearest to the target. same cost: WER "
            "of the fixed threshold",
            "that costs as much on that very set, which no one knows beforehand.",
            "",
            *table(
                ("policy", "target", "price", "set", "cost, % of full", "WER", "WER, same cost"),
                bandit_rows(sets),
            ),
        ]
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=Path, default=HERE / "records")
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    args = parser.parse_args(argv)
    write_text(str(args.output), results(args.records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
