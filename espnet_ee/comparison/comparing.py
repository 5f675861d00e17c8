"""Compare two systems on all their sets: tests of every setting, trade-offs of every policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from espnet_ee.comparison.pairing import Pair
from espnet_ee.comparison.settings import Setting, exit_settings, policy_pairs, policy_settings
from espnet_ee.comparison.testing import (
    SegmentTest,
    holm,
    least_p_value,
    permutation_p_values,
    segment_differences,
    segment_test,
)
from espnet_ee.comparison.trade_off import Curve, Targets, TradeOff, trade_offs
from espnet_ee.errors import ConfigError
from espnet_ee.report.choice import EXCESS_TARGETS
from espnet_ee.report.equal_cost import SHARES
from espnet_ee.scored_set import LAYER
from espnet_ee.scoring import IntArray
from espnet_ee.statistics import Intervals, bootstrap_intervals, ratio_to_last

LEVEL = 0.05  # a difference is called one if the adjusted p is below
TARGETS = Targets(SHARES, EXCESS_TARGETS)


@dataclass(frozen=True)
class Plan:
    """What to compare, and how thoroughly.

    Attributes:
        exits: Layers of the first and of the second system; none: all that both have.
        policies: Of the first and of the second system; none: all that both records hold.
        excesses: WER above each last exit's that thresholds are chosen for, fractions.
        cost_shares: Of the first system's last exit that thresholds are chosen for.
        seed: Of all draws.
        resamples: Draws of each interval and each permutation test.
    """

    exits: tuple[tuple[int, int], ...] = ()
    policies: tuple[tuple[str, str], ...] = ()
    excesses: tuple[float, ...] = (0.005,)
    cost_shares: tuple[float, ...] = ()
    seed: int = 0
    resamples: int = 10_000


@dataclass(frozen=True)
class Tested:
    """One setting on one set. WERs are fractions; differences are of the second less the first.

    Attributes:
        set_name: Of the set.
        setting: What was compared.
        difference: Of WERs.
        low: Lower end of its 95 % interval, for this comparison alone.
        high: Upper end.
        permutation_p: Of swapping units.
        segment: The test over segments.
        adjusted_permutation_p: For all rows of the table.
        adjusted_segment_p: For all rows of the table.
    """

    set_name: str
    setting: Setting
    difference: float
    low: float
    high: float
    permutation_p: float
    segment: SegmentTest
    adjusted_permutation_p: float = 1.0
    adjusted_segment_p: float = 1.0

    @property
    def better(self) -> str:
        """``A`` or ``B`` where the adjusted permutation test tells them apart, else nothing."""
        if self.adjusted_permutation_p >= LEVEL:
            return ""
        return "B" if self.difference < 0.0 else "A"


@dataclass(frozen=True)
class PolicyTradeOff:
    """One trade-off of one policy on one set; ``layer`` mixes fixed exits."""

    set_name: str
    policy: str
    trade_off: TradeOff


@dataclass(frozen=True)
class Comparison:
    """Everything about two systems.

    Attributes:
        tested: Settings, set by set.
        trade_offs: Of policies, set by set.
        methods: How the intervals were made -> the sets.
        units: What was drawn and swapped, set by set.
        notes: What could not be compared, and what no test can show.
        seed: Of all draws.
        resamples: How many draws.
    """

    tested: tuple[Tested, ...]
    trade_offs: tuple[PolicyTradeOff, ...]
    methods: dict[str, list[str]]
    units: tuple[str, ...]
    notes: tuple[str, ...]
    seed: int
    resamples: int


def compare(pairs: Iterable[Pair], plan: Plan) -> Comparison:
    """Test all settings of all sets, adjust for their number, and compare the trade-offs.

    Raises:
        ConfigError: An exit or a policy that a record does not hold; a record beside itself.
    """
    sets = [_compare_set(pair, plan) for pair in pairs]
    tested = [row for one in sets for row in one.tested]
    methods: dict[str, list[str]] = {}
    for one in sets:
        methods.setdefault(one.method, []).append(one.name)
    return Comparison(
        tested=tuple(_adjusted(tested)),
        trade_offs=tuple(row for one in sets for row in one.traded),
        methods=methods,
        units=tuple(one.units for one in sets),
        notes=(*(note for one in sets for note in one.notes), *_notes(sets, len(tested))),
        seed=plan.seed,
        resamples=plan.resamples,
    )


@dataclass(frozen=True)
class _OneSet:
    """What ``compare`` finds on one set; ``least_p`` is the least that a permutation can say."""

    name: str
    tested: list[Tested]
    traded: list[PolicyTradeOff]
    method: str
    units: str
    has_dev: bool
    least_p: float
    notes: list[str]


def _compare_set(pair: Pair, plan: Plan) -> _OneSet:
    _check_differs(pair, plan)
    policies = policy_pairs(pair, plan.policies)
    settings = exit_settings(pair, plan.exits)
    notes: list[str] = []
    has_dev = pair.first.dev is not None and pair.second.dev is not None
    if has_dev:
        chosen, notes = policy_settings(pair, policies, plan.excesses, plan.cost_shares)
        settings += chosen
    tested, method = _test(pair, settings, plan)
    least = least_p_value(pair.units, plan.resamples)
    traded = _trade(pair, policies, plan)
    return _OneSet(pair.name, tested, traded, method, pair.units.name, has_dev, least, notes)


def _notes(sets: Sequence[_OneSet], count: int) -> list[str]:
    notes = []
    undecided = [one.name for one in sets if not one.has_dev]
    if undecided:
        notes.append(
            f"No tests of policies on {', '.join(undecided)}: not both systems have a development "
            "set to choose thresholds on."
        )
    least = min((one.least_p for one in sets), default=1.0)
    if least * count >= LEVEL:
        notes.append(
            f"No permutation p can be below {least:.2g}: after adjustment for {count} comparisons "
            "none can show a difference. Compare fewer settings, or more speakers."
        )
    return notes


def _check_differs(pair: Pair, plan: Plan) -> None:
    crossed = [one != two for one, two in (*plan.exits, *plan.policies)]
    if pair.same_record and not any(crossed):
        raise ConfigError(
            f"Both systems are one record of set {pair.name}.",
            want="another experiment; or other exits or policies of this one",
            fix="--exits 4:12 or --policies entropy:patience",
        )


def _test(pair: Pair, settings: Sequence[Setting], plan: Plan) -> tuple[list[Tested], str]:
    """Rows without adjustment, and how their intervals were made."""
    words, rows = pair.first.scored.words.lengths, np.arange(len(pair.references))
    if not settings:  # policies of one record, and no development set to choose thresholds on
        return [], bootstrap_intervals(words[None], ratio_to_last, pair.units).method
    differences = np.stack(
        [
            pair.second.scored.words.errors[rows, setting.second.said]
            - pair.first.scored.words.errors[rows, setting.first.said]
            for setting in settings
        ]
    )
    intervals: Intervals = bootstrap_intervals(
        np.r_[differences, words[None]], ratio_to_last, pair.units, plan.seed, plan.resamples
    )
    p_values = permutation_p_values(differences, pair.units, plan.seed, plan.resamples)
    tested = [
        Tested(
            pair.name,
            setting,
            setting.second.wer - setting.first.wer,
            float(intervals.low[place]),
            float(intervals.high[place]),
            float(p_values[place]),
            segment_test(_segments(pair, setting.first.said, setting.second.said)),
        )
        for place, setting in enumerate(settings)
    ]
    return tested, intervals.method


def _segments(pair: Pair, first: IntArray, second: IntArray) -> IntArray:
    """Differences of the segments, for the exits ``(U,)`` whose texts are compared."""
    slots, (one, two) = pair.slots, pair.slot_errors
    at = np.arange(len(slots.utterance))
    return segment_differences(
        slots, one[at, first[slots.utterance]], two[at, second[slots.utterance]]
    )


def _adjusted(tested: Sequence[Tested]) -> list[Tested]:
    permutation = holm([row.permutation_p for row in tested])
    segment = holm([row.segment.p for row in tested])
    return [
        replace(row, adjusted_permutation_p=p, adjusted_segment_p=q)
        for row, p, q in zip(tested, permutation, segment, strict=True)
    ]


def _trade(pair: Pair, policies: Sequence[tuple[str, str]], plan: Plan) -> list[PolicyTradeOff]:
    one, two = pair.first.scored, pair.second.scored
    fixed = [] if pair.same_record else [(LAYER, LAYER)]
    found = []
    for policy, other in dict.fromkeys((*fixed, *policies)):
        curves = Curve.of(one, policy), Curve.of(two, other)
        points = trade_offs(
            *curves, one.words.lengths, pair.units, TARGETS, plan.seed, plan.resamples
        )
        name = policy if policy == other else f"{policy}:{other}"
        found += [PolicyTradeOff(pair.name, name, point) for point in points]
    return found
