"""What is compared: exits of the same depth, and policies with thresholds of each system's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from espnet_ee.baselines import fixed_exits
from espnet_ee.comparison.pairing import Pair, System
from espnet_ee.errors import ConfigError
from espnet_ee.replay import OperatingPoint, replay
from espnet_ee.rules.selection import within_cost, within_excess
from espnet_ee.scored_set import LAYER, ScoredSet
from espnet_ee.spelling import nearest


@dataclass(frozen=True)
class Setting:
    """One way to use both systems.

    Attributes:
        name: For instance ``exit 6`` or ``entropy, +0.5``.
        first: What the first system gives.
        second: What the second gives.
    """

    name: str
    first: OperatingPoint
    second: OperatingPoint


def exit_settings(pair: Pair, wanted: Sequence[tuple[int, int]] = ()) -> list[Setting]:
    """Pair fixed exits: those wanted, else all layers with an exit in both, and the last ones.

    Args:
        pair: One set.
        wanted: Layers, from 1, of the first and of the second system.

    Raises:
        ConfigError: A layer without exit.
    """
    one, two = pair.first.scored, pair.second.scored
    if not wanted:
        both = [layer for layer in one.header.exits if layer in two.header.exits]
        last = (one.header.exits[-1], two.header.exits[-1])
        wanted = [*((layer, layer) for layer in both), *([] if last[0] == last[1] else [last])]
    points, others = fixed_exits(one), fixed_exits(two)
    return [
        Setting(
            f"exit {_pair_name(layer, other)}",
            points[_exit_index(one, layer, "first")],
            others[_exit_index(two, other, "second")],
        )
        for layer, other in wanted
    ]


def _exit_index(scored: ScoredSet, layer: int, side: str) -> int:
    exits = scored.header.exits
    if layer not in exits:
        raise ConfigError(
            f"The {side} system has no exit after this layer.",
            got=str(layer),
            want=", ".join(map(str, exits)),
        )
    return exits.index(layer)


def policy_pairs(pair: Pair, wanted: Sequence[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    """Pair policies: those wanted, else all that both records hold.

    Raises:
        ConfigError: A policy that a record does not hold.
    """
    one, two = pair.first.scored.scores, pair.second.scored.scores
    if not wanted:
        return [(name, name) for name in one if name in two and name != LAYER]
    for side, names, known in (
        ("first", [name for name, _ in wanted], one),
        ("second", [name for _, name in wanted], two),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"The record of the {side} system has no scores of this policy.",
                    got=f"{name}{nearest(name, known)}",
                    want=", ".join(known),
                )
    return list(wanted)


def policy_settings(
    pair: Pair,
    policies: Iterable[tuple[str, str]],
    excesses: Sequence[float] = (),
    cost_shares: Sequence[float] = (),
) -> tuple[list[Setting], list[str]]:
    """Choose thresholds on each system's development set.

    Args:
        pair: One set; both systems have development sets.
        policies: Of the first and of the second system.
        excesses: Allowed WER above each system's own last exit's, fractions.
        cost_shares: Mean cost over the first system's last exit's, for both systems.

    Returns:
        The settings, and a line about each that cannot be.
    """
    settings, notes = [], []
    budget = _last_cost(pair.first)
    own_share = budget / _last_cost(pair.second)
    for policy, other in policies:
        name = _pair_name(policy, other)
        for excess in excesses:
            points = (
                _replayed(pair.first, within_excess(_dev(pair.first), policy, excess)),
                _replayed(pair.second, within_excess(_dev(pair.second), other, excess)),
            )
            settings.append(Setting(f"{name}, +{100 * excess:g}", *points))
        for share in cost_shares:
            label = f"{name}, {100 * share:g} %"
            try:
                points = (
                    _replayed(pair.first, within_cost(_dev(pair.first), policy, share)),
                    _replayed(
                        pair.second,
                        within_cost(_dev(pair.second), other, min(share * own_share, 1.0)),
                    ),
                )
            except ConfigError as error:
                notes.append(f"{pair.name}, {label}: {error.what}")
                continue
            settings.append(Setting(label, *points))
    return settings, notes


def _pair_name(first: object, second: object) -> str:
    return str(first) if first == second else f"{first}:{second}"


def _dev(system: System) -> ScoredSet:
    assert system.dev is not None
    return system.dev


def _last_cost(system: System) -> float:
    return fixed_exits(_dev(system))[-1].gflops_per_second


def _replayed(system: System, chosen: OperatingPoint) -> OperatingPoint:
    return replay(system.scored, chosen.policy, chosen.threshold)
