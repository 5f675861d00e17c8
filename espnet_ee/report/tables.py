"""Markdown tables: ESPnet's WER and CER tables with exit columns, and the policy table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from espnet_ee.baselines import SAFE_ORACLE, mix_hull, mix_wer, safe_oracle
from espnet_ee.replay import OperatingPoint
from espnet_ee.report.choice import Choice
from espnet_ee.report.experiment import Decoded, character_intervals, word_intervals
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import ErrorCounts
from espnet_ee.statistics import Intervals

_ESPNET_COLUMNS = ("dataset", "Snt", "Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err")
_EXIT_COLUMNS = ("layer", "mean exit", "GFLOPs/s", "95 % interval")
_POLICY_COLUMNS = (
    "policy",
    "chosen for",
    "threshold",
    "WER",
    "95 % interval",
    "CER",
    "over last",
    "mix",
    "mean layer",
    "mean exit",
    "GFLOPs/s",
    "of last",
)


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in ESPnet's tight style."""
    lines = [columns, ["---"] * len(columns), *rows]
    return ["|" + "|".join(cells) + "|" for cells in lines]


def error_table(decoded: Sequence[Decoded], main: str, unit: str, seed: int) -> list[str]:
    """Return one row per experiment, tag, set and exit.

    Args:
        decoded: The sets to show.
        main: The experiment whose rows go without its name, as in ESPnet.
        unit: ``words`` or ``characters``.
        seed: Of the bootstrap.
    """
    rows: list[list[str]] = []
    for item in decoded:
        if unit == "words":
            counts, intervals = item.scored.words, word_intervals(item.scored, item.fixed, seed)
        else:
            counts = item.scored.characters
            intervals = character_intervals(item.scored, item.fixed, seed)
        prefix = "" if item.experiment == main else f"{item.experiment}/"
        for index, layer in enumerate(item.scored.header.exits):
            name = f"{prefix}{item.tag}_exit{layer:02d}/{item.set_name}"
            rows.append(
                [name, *_counts_cells(counts, index), *_exit_cells(item.fixed[index], intervals)]
            )
    return markdown((*_ESPNET_COLUMNS, *_EXIT_COLUMNS), rows)


def _counts_cells(counts: ErrorCounts, index: int) -> list[str]:
    total = counts.lengths.sum()
    errors = counts.errors[:, index]
    parts = (counts.hits, counts.substitutions, counts.deletions, counts.insertions)
    shares = [part[:, index].sum() / total for part in parts]
    return [
        str(len(errors)),
        str(total),
        *(f"{100 * share:.1f}" for share in (*shares, errors.sum() / total, (errors > 0).mean())),
    ]


def _exit_cells(point: OperatingPoint, intervals: Intervals) -> list[str]:
    index = int(point.mean_exit_index)
    low, high = 100 * intervals.low[index], 100 * intervals.high[index]
    return [
        f"{point.mean_layer:.0f}",
        f"{point.mean_exit_index:.0f}",
        f"{point.gflops_per_second:.3f}",
        f"{low:.1f} - {high:.1f}",
    ]


def policy_table(
    scored: ScoredSet, fixed: Sequence[OperatingPoint], choices: Sequence[Choice], seed: int
) -> list[str]:
    """Return each choice beside always the last exit, the mix at its cost and the oracle."""
    last, hull, layers = fixed[-1], mix_hull(fixed), scored.header.exits
    named = [(last, "always the last exit", "", "")]
    named += [
        (
            points[0].result,
            points[0].result.policy,
            targets,
            format_threshold(points[0].result.threshold),
        )
        for targets, points in _same_thresholds(choices)
    ]
    named.append((safe_oracle(scored), SAFE_ORACLE, "", ""))
    intervals = word_intervals(scored, [point for point, *_ in named], seed)

    def row(index: int, point: OperatingPoint, *names: str) -> list[str]:
        mix = mix_wer(hull, point.gflops_per_second)
        return [
            *names,
            f"{100 * point.wer:.2f}",
            f"{100 * intervals.low[index]:.1f} - {100 * intervals.high[index]:.1f}",
            f"{100 * point.cer:.2f}",
            f"{100 * (point.wer - last.wer):+.2f}",
            f"{100 * mix:.2f}",
            f"{point.mean_layer:.2f}",
            f"{point.mean_exit_index:.2f}",
            f"{point.gflops_per_second:.3f}",
            f"{100 * point.gflops_per_second / last.gflops_per_second:.0f} %",
            *(f"{100 * count / len(point.picks):.0f}" for count in point.histogram),
        ]

    rows = [row(index, *cells) for index, cells in enumerate(named)]
    return markdown((*_POLICY_COLUMNS, *(f"% at {layer}" for layer in layers)), rows)


def _same_thresholds(choices: Sequence[Choice]) -> list[tuple[str, list[Choice]]]:
    """Join the targets that led to one threshold, as ``0.0, 0.5``."""
    groups: dict[tuple[str, float], list[Choice]] = {}
    for choice in choices:
        groups.setdefault((choice.result.policy, choice.result.threshold), []).append(choice)
    return [
        (", ".join(f"{100 * choice.excess_target:.1f}" for choice in group), group)
        for group in groups.values()
    ]


def format_threshold(threshold: float) -> str:
    """Return enough digits to type the threshold again."""
    return f"{threshold:.6g}"
