"""What conditions that training did not have do to exits: the tables of noise and of domains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from espnet_ee.baselines import earlier_exits
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.replay import replay
from espnet_ee.report.reliability import reliability
from espnet_ee.report.seeds import Trainings, load_seeds, seeds_table
from espnet_ee.report.tables import markdown
from espnet_ee.rules.applying import as_good_as_last, rule_scores
from espnet_ee.rules.curves import fit_calibration
from espnet_ee.rules.selection import cost_share, within_cost
from espnet_ee.scored_set import ScoredSet
from espnet_ee.scoring import FloatArray
from espnet_ee.statistics import bootstrap_intervals, ratio_to_last, units_of
from experiments.writing import FIGURE

SHARE = 0.65  # of the last exit's cost, on dev
POLICIES = ("entropy", "confidence", "margin", "patience", "window", "known_words", "spelling")
CALIBRATED = ("entropy", "confidence")
KIND = "joint"


def mean_with_interval(per_utterance: FloatArray, like: ScoredSet, over: FloatArray) -> str:
    """100 times the sum of ``(U,)`` over that of another, with its interval."""
    columns = np.stack([per_utterance, over])
    ends = bootstrap_intervals(columns, ratio_to_last, units_of(like.speakers))
    value = 100 * per_utterance.sum() / over.sum()
    return f"{value:.1f} ({100 * ends.low[0]:.1f} to {100 * ends.high[0]:.1f})"


def exits_table(found: dict[str, Trainings]) -> list[str]:
    """WER of every exit."""
    layers = next(iter(found.values())).scored[0].header.exits
    rows = [[title, ", ".join(map(str, one.seeds)), *one.cells()] for title, one in found.items()]
    return markdown(("speech", "seeds", *(f"exit {k}" for k in layers)), rows)


def every_training(found: dict[str, Trainings]) -> list[str]:
    """WER of every exit, each seed on its own: the intervals above are over speakers only."""
    named = [replace(one, kind=title) for title, one in found.items()]
    return seeds_table(named, {title: title for title in found})


def overthinking_table(found: dict[str, Trainings]) -> list[str]:
    """Utterances with a better, and with an as good, earlier exit."""
    rows = []
    for title, one in found.items():
        over = np.full(len(one.scored[0].seconds), float(len(one.seeds)))
        each = [earlier_exits(scored) for scored in one.scored]
        shares = [np.sum(found, axis=0).astype(float) for found in zip(*each, strict=True)]
        cells = [mean_with_interval(s, one.scored[0], over) for s in shares]
        by_seed = ", ".join(f"{100 * better.mean():.1f}" for better, _ in each)
        rows.append([title, *cells, by_seed])
    columns = ("speech", "earlier exit better", "as good or better", "better, each training")
    return markdown(columns, rows)


def policies_table(found: dict[str, Trainings], dev: Trainings) -> list[str]:
    """What dev's thresholds give: WER, WER points over the last exit, mean layer, cost."""
    rows = []
    for policy in (name for name in POLICIES if name in dev.scored[0].header.policies):
        try:
            chosen = [within_cost(one, policy, SHARE).threshold for one in dev.scored]
        except ConfigError:  # even its cheapest threshold costs more
            continue
        for title, one in found.items():
            rows.append([policy, title, *_policy_cells(one, dev.seeds, policy, chosen)])
    columns = ("policy", "speech", "WER", "over last", "mean layer", "cost")
    return markdown(columns, rows)


def _policy_cells(
    one: Trainings, seeds: Sequence[int], policy: str, chosen: Sequence[float]
) -> list[str]:
    sets = [(one.scored[one.seeds.index(seed)], t) for seed, t in zip(seeds, chosen, strict=True)]
    points = [replay(scored, policy, threshold) for scored, threshold in sets]
    first = sets[0][0]
    rows, words = np.arange(len(first.seconds)), first.words.lengths * float(len(sets))
    errors = [s.words.errors[rows, p.said] for (s, _), p in zip(sets, points, strict=True)]
    more = [e - s.words.errors[:, -1] for e, (s, _) in zip(errors, sets, strict=True)]
    layers = np.sum([s.layers[p.picks] for (s, _), p in zip(sets, points, strict=True)], axis=0)
    utterances = np.full(len(rows), 100.0 * len(sets))  # layers are no per cent
    costs = [cost_share(s, p) for (s, _), p in zip(sets, points, strict=True)]
    return [
        mean_with_interval(np.sum(errors, axis=0).astype(float), first, words),
        mean_with_interval(np.sum(more, axis=0).astype(float), first, words),
        mean_with_interval(layers.astype(float), first, utterances),
        f"{100 * np.mean(costs):.0f}",
    ]


def mean_layers(found: dict[str, Trainings], dev: Trainings, policy: str) -> list[float]:
    """Where a policy stops on average at dev's thresholds, for each kind of speech."""
    chosen = [within_cost(one, policy, SHARE).threshold for one in dev.scored]
    means = []
    for one in found.values():
        sets = [one.scored[one.seeds.index(seed)] for seed in dev.seeds]
        picks = [replay(s, policy, t).picks for s, t in zip(sets, chosen, strict=True)]
        means.append(float(np.mean([s.layers[p] for s, p in zip(sets, picks, strict=True)])))
    return means


def calibration_table(found: dict[str, Trainings], dev: Trainings) -> list[str]:
    """Of an isotonic fit on dev: promised, kept, calibration error, over all exits but the last."""
    rows = []
    for policy in CALIBRATED:
        rules = [fit_calibration(one, policy, "isotonic") for one in dev.scored]
        for title, one in found.items():
            promised, kept, error = [], [], []
            for seed, rule in zip(dev.seeds, rules, strict=True):
                scored = one.scored[one.seeds.index(seed)]
                probabilities, good = rule_scores(scored, rule)[:, :-1], as_good_as_last(scored)
                promised.append(np.nanmean(probabilities))
                kept.append(good.mean())
                panels = [reliability(p, g) for p, g in zip(probabilities.T, good.T, strict=True)]
                error.append(np.mean([panel.error for panel in panels]))
            means = [f"{100 * np.mean(values):.1f}" for values in (promised, kept, error)]
            rows.append([policy, title, *means])
    columns = ("policy", "speech", "promised", "kept", "calibration error")
    return markdown(columns, rows)


def load_conditions(
    records: Path, sets: Mapping[str, str], dev: str
) -> tuple[dict[str, Trainings], Trainings]:
    """Of each kind of speech, and of dev, the seeds that all have.

    Args:
        records: Hold ``joint/seed<N>/<set>/record.jsonl.gz``.
        sets: Name of each set -> what it is.
        dev: The set thresholds are chosen and probabilities fitted on.

    Raises:
        DataError: Nothing is there.
    """
    loaded = {title: load_seeds(records, KIND, name) for name, title in sets.items()}
    found = {title: one for title, one in loaded.items() if one.seeds}
    chosen_on = load_seeds(records, KIND, dev)
    common = set.intersection(*(set(one.seeds) for one in (chosen_on, *found.values())))
    if not found or not common:
        raise DataError("no training has records of all sets", got=str(records), fix="./run.sh")
    return {title: one.only(common) for title, one in found.items()}, chosen_on.only(common)


def condition_lines(records: Path, sets: Mapping[str, str], dev: str) -> list[str]:
    """The picture and all tables, of what ``load_conditions`` reads."""
    found, chosen_on = load_conditions(records, sets, dev)
    parts: dict[str, Callable[[], list[str]]] = {
        "Exits": lambda: exits_table(found),
        "Every training": lambda: every_training(found),
        "Overthinking": lambda: overthinking_table(found),
        "Policies": lambda: policies_table(found, chosen_on),
        "Calibration": lambda: calibration_table(found, chosen_on),
    }
    lines = ["", f"![WER of every exit; mean layer at dev's thresholds]({FIGURE})"]
    for title, part in parts.items():
        lines += ["", f"## {title}", "", *part()]
    return lines
