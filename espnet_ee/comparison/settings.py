"""What is compared: exits of the same depth, and policies with thresholds of each system's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from espnet_ee.baselines import fixed_exits
from espnet_ee.comparison.development import Development
from espnet_ee.comparison.pairing import Pair, System
from espnet_ee.errors import ConfigError
from espnet_ee.replay import OperatingPoint, replay
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
    if pair.same_record:  # beside itself: what is asked for and differs
        wanted = [(layer, other) for layer, other in wanted if layer != other]
    elif not wanted:
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
    if pair.same_record:
        wanted = [(name, other) for name, other in wanted if name != other]
    elif not wanted:
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
    one, two = _dev(pair.first), _dev(pair.second)
    own_share = one.last_cost / two.last_cost
    settings, notes = [], []
    for policy, other in policies:
        name = _pair_name(policy, other)
        for excess in excesses:
            chosen = one.within_excess(policy, excess), two.within_excess(other, excess)
            settings.append(_setting(f"{name}, +{100 * excess:g}", pair, chosen))
        for share in cost_shares:
            label, shares = f"{name}, {100 * share:g} %", (share, min(share * own_share, 1.0))
            try:
                chosen = _within_costs((one, two), (policy, other), shares)
            except ConfigError as error:
                notes.append(f"{pair.name}, {label}, {error.what}")
            else:
                settings.append(_setting(label, pair, chosen))
    return settings, notes


def _within_costs(
    devs: tuple[Development, Development], policies: tuple[str, str], shares: tuple[float, float]
) -> tuple[OperatingPoint, OperatingPoint]:
    """Choose for both; the error says whose policy cannot be as cheap."""
    found = []
    for side, dev, policy, share in zip("AB", devs, policies, shares, strict=True):
        try:
            found.append(dev.within_cost(policy, share))
        except ConfigError as error:
            raise ConfigError(f"{side}: {error.what}") from error
    return found[0], found[1]


def _pair_name(first: object, second: object) -> str:
    return str(first) if first == second else f"{first}:{second}"


def _dev(system: System) -> Development:
    assert system.dev is not None
    return system.dev


def _setting(name: str, pair: Pair, chosen: tuple[OperatingPoint, OperatingPoint]) -> Setting:
    first, second = (
        replay(system.scored, point.policy, point.threshold)
        for system, point in zip((pair.first, pair.second), chosen, strict=True)
    )
    return Setting(name, first, second)
