"""The study of one decoded set: every policy at many thresholds, and those that dev chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet_ee.baselines import fixed_exits, safe_oracle
from espnet_ee.replay import sweep, threshold_grid
from espnet_ee.report.choice import Choice, choose
from espnet_ee.report.experiment import Decoded
from espnet_ee.report.results import dev_of
from espnet_ee.report.sweeps import Sweep, make_sweep
from espnet_ee.scored_set import ScoredSet

GRID_POINTS = 50  # of each policy, as of `espnet-ee sweep`


@dataclass(frozen=True)
class Study:
    """What a reader may ask of one set.

    Attributes:
        item: The set.
        dev_names: The sets that thresholds were chosen on; none: on this very set.
        dev: Those sets pooled.
        chosen: Policy -> its thresholds for the targets of ``choose``.
        sweep: Fixed exits, then each policy at a grid of thresholds and at those chosen, in rising
            order, and the safe oracle.
    """

    item: Decoded
    dev_names: tuple[str, ...]
    dev: ScoredSet | None
    chosen: Mapping[str, Sequence[Choice]]
    sweep: Sweep


def make_study(item: Decoded, decoded: Sequence[Decoded], seed: int) -> Study:
    """Study ``item``, thresholds chosen on the dev sets among ``decoded`` of the same tag."""
    names, dev = dev_of(item, decoded)
    scored = item.scored
    policies = tuple(scored.header.policies) if len(scored.layers) > 1 else ()
    chosen = {name: choose(dev or scored, scored, name) for name in policies}
    points = fixed_exits(scored)
    for name in policies:
        typed = [choice.result.threshold for choice in chosen[name]]
        grid = np.unique([*threshold_grid(scored.scores[name], GRID_POINTS), *typed])
        points += sweep(scored, name, grid.tolist())
    points.append(safe_oracle(scored))
    name = f"{item.tag}/{item.set_name}"
    return Study(item, tuple(names), dev, chosen, make_sweep(name, scored, points, seed))
