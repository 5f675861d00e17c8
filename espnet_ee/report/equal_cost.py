"""Every rule at equal mean cost, beside mix and oracle; thresholds are from development data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from espnet_ee.bandit import ThresholdBandit, prices_for
from espnet_ee.baselines import fixed_exits, mix_hull, mix_wer, safe_oracle
from espnet_ee.errors import ConfigError, EspnetEEError
from espnet_ee.record_format import GREEDY
from espnet_ee.replay import OperatingPoint, operating_point, replay
from espnet_ee.report.experiment import word_intervals
from espnet_ee.report.tables import markdown
from espnet_ee.rules import Rule, Single
from espnet_ee.rules.applying import with_rule
from espnet_ee.rules.fitting import GATES, cross_scored, default_features, fit_gate
from espnet_ee.rules.selection import cost_share, within_cost
from espnet_ee.scored_set import LAYER, ScoredSet
from espnet_ee.scoring import FloatArray
from espnet_ee.streams import replay_stream

SHARES = (0.5, 0.65, 0.8)
"""Mean cost over that of always taking the last exit."""

BANDIT = "bandit (confidence)"
_BANDIT_ON = "confidence"  # as CeeBERT

PUBLISHED = (
    *("entropy", "confidence", "margin", "patience", "agreement", "window", "cosine"),
    *("posterior", "clusters", BANDIT),
)
"""Policies whose rule others have published; the rest are ours."""

_JUDGES = ("entropy", "confidence", "known_words", "spelling")  # whose scores compare exits

LEGEND = """\
Each rule has, for each mean cost, the threshold whose cost on the set it was chosen on comes
nearest from below; here it may cost a little more or less: `cost`, in % of the last exit's. Rules
that cannot be as cheap have none. Gates are learned on the set of choice (their thresholds from
scores of speakers that were left out): `logistic` and `boosted` predict whether an exit is as good
as the last, `excess` its excess errors. `+ look-back`: of the exits seen, the one speaks whose text
the named policy finds surest. `bandit`: UCB1 over thresholds, which learns on the reported set
itself, without its texts; its price of computing is from the set of choice. Rules marked * are
published ones, the others ours."""


@dataclass(frozen=True)
class _Row:
    """A rule at every share: what it gave where it was chosen, and on the reported set."""

    policy: str
    look_back: str | None
    chosen: tuple[OperatingPoint | None, ...]
    results: tuple[OperatingPoint | None, ...]

    @property
    def label(self) -> str:
        back = f" + look-back by {self.look_back}" if self.look_back else ""
        return f"{self.policy}{back}{'' if self.ours else ' *'}"

    @property
    def ours(self) -> bool:
        return self.look_back is not None or self.policy not in PUBLISHED


def equal_cost_lines(dev: ScoredSet, test: ScoredSet, seed: int) -> list[str]:
    """Return the table of one set and what follows from it."""
    gates, why_not = _learned(dev, seed)
    for rule, scores in gates:
        dev, test = with_rule(dev, rule, scores), with_rule(test, rule)
    # Looking back repeats greedy texts only.
    judge = _best_judge(dev) if test.header.decoding.startswith(GREEDY) else None
    rows = [_row(dev, test, name, None) for name in dev.header.policies]
    if _BANDIT_ON in dev.header.policies:
        rows.append(_bandit_row(dev, test))
    if judge:  # which all of them pay for too
        for stopping, known in (*gates, (Single("entropy"), None)):
            dev = with_rule(dev, stopping, known, judge)
            test = with_rule(test, stopping, test.scores[stopping.name], judge)
            rows.append(_row(dev, test, stopping.name, judge))
    lines = [*_table(test, rows, seed), "", *_gap_lines(test, rows)]
    return [*lines, "", why_not] if why_not else lines


def _learned(dev: ScoredSet, seed: int) -> tuple[list[tuple[Rule, FloatArray]], str]:
    """Gates with their scores on the set they were fitted to; or why there are none."""
    features, found = default_features(dev), []
    try:
        for model in GATES:

            def fit(part: ScoredSet, model: str = model) -> Rule:
                return fit_gate(part, model, features, seed)

            found.append((fit(dev), cross_scored(dev, fit)))
    except EspnetEEError as error:
        return [], f"No gates: {error.args[0].splitlines()[0]}"
    return found, ""


def _best_judge(dev: ScoredSet) -> str | None:
    """The policy by which looking back over all exits is best; None if none beats the last exit."""
    last = fixed_exits(dev)[-1].wer
    judges = [judge for judge in _JUDGES if judge in dev.scores and "entropy" in dev.scores]
    found = [(replay(dev, LAYER, math.inf, judge).wer, judge) for judge in judges]
    return min(found)[1] if found and min(found)[0] < last else None


def _row(dev: ScoredSet, test: ScoredSet, policy: str, look_back: str | None) -> _Row:
    chosen: list[OperatingPoint | None] = []
    for share in SHARES:
        try:
            chosen.append(within_cost(dev, policy, share, look_back))
        except ConfigError:
            chosen.append(None)
    results = tuple(point and replay(test, policy, point.threshold, look_back) for point in chosen)
    return _Row(policy, look_back, tuple(chosen), results)


def _bandit_row(dev: ScoredSet, test: ScoredSet) -> _Row:
    """UCB1 over thresholds of one policy, on the set in its own order, learning as it goes."""
    last = fixed_exits(dev)[-1].gflops_per_second

    def played(scored: ScoredSet, price: float) -> OperatingPoint:
        bandit = ThresholdBandit(dev, _BANDIT_ON, price)
        picks = replay_stream(scored, _BANDIT_ON, bandit, range(len(scored.seconds))).picks
        return operating_point(scored, picks, _BANDIT_ON)

    order = range(len(dev.seconds))
    prices = prices_for(dev, _BANDIT_ON, [share * last for share in SHARES], order=order)
    chosen = tuple(played(dev, price) for price in prices)
    return _Row(BANDIT, None, chosen, tuple(played(test, price) for price in prices))


def _table(test: ScoredSet, rows: Sequence[_Row], seed: int) -> list[str]:
    fixed, hull = fixed_exits(test), mix_hull(fixed_exits(test))
    last, oracle = fixed[-1], safe_oracle(test)
    points = [point for row in rows for point in row.results if point]
    ends = _interval_cells(test, points, seed)

    def cells(point: OperatingPoint | None) -> list[str]:
        if point is None:
            return ["", "", ""]
        return [f"{100 * point.wer:.2f}", ends[id(point)], f"{100 * cost_share(test, point):.0f}"]

    body = [[row.label, *(cell for p in row.results for cell in cells(p))] for row in rows]
    mixes = [100 * mix_wer(hull, share * last.gflops_per_second) for share in SHARES]
    body.append(["fixed exits, mixed", *(c for m in mixes for c in (f"{m:.2f}", "", ""))])
    shares = [f"{100 * share:.0f} %" for share in SHARES]
    columns = [title for share in shares for title in (f"WER at {share}", "95 %", "cost")]
    return [
        *markdown(["rule", *columns], body),
        "",
        f"Always the last exit: {100 * last.wer:.2f} %. Safe oracle: {100 * oracle.wer:.2f} % at "
        f"{100 * cost_share(test, oracle):.0f} % of the cost.",
    ]


def _interval_cells(test: ScoredSet, points: Sequence[OperatingPoint], seed: int) -> dict[int, str]:
    """By the identity of the point: equal ones may have been reached in different ways."""
    if not points:
        return {}
    intervals = word_intervals(test, points, seed)
    ends = zip(points, intervals.low, intervals.high, strict=True)
    return {id(point): f"{100 * low:.1f} - {100 * high:.1f}" for point, low, high in ends}


def _gap_lines(test: ScoredSet, rows: Sequence[_Row]) -> list[str]:
    """How far the best of ours gets from the best published rule towards the oracle."""
    best, oracle = _best_of_ours(rows), safe_oracle(test)
    if best is None:
        return []
    lines = [f"Of ours, {best.label} is best where thresholds were chosen, over the three costs."]
    for place, share in enumerate(SHARES):
        rivals = [
            (point.wer, row.policy)
            for row in rows
            if not row.ours and (point := row.results[place])
        ]
        ours = best.results[place]
        if not rivals or ours is None:
            continue
        wer, name = min(rivals)
        text = f"- At {100 * share:.0f} %: {100 * ours.wer:.2f} %. The published rule that is best"
        text += f" on this very set, {name}, has {100 * wer:.2f} %"
        lines.append(f"{text}: {_gap_text(test, wer, ours.wer, oracle, share)}.")
    return lines


def _best_of_ours(rows: Sequence[_Row]) -> _Row | None:
    """By WER where thresholds were chosen, averaged over all costs."""
    # Rounded, so that equal numbers of errors are equal however they were added up.
    found = [(round(sum(p.wer for p in row.chosen if p), 9), row) for row in rows if row.ours]
    found = [(wer, row) for wer, row in found if None not in row.chosen]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def _gap_text(
    test: ScoredSet, theirs: float, ours: float, oracle: OperatingPoint, share: float
) -> str:
    at = cost_share(test, oracle)
    if at > share:
        return f"the safe oracle costs more, {100 * at:.0f} %"
    if theirs <= oracle.wer:
        return "there is no gap to the safe oracle"
    closed = 100 * (theirs - ours) / (theirs - oracle.wer)
    return f"{closed:.0f} % of the gap to the safe oracle closed"
