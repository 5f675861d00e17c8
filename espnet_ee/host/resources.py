"""What lies beside a model for the policies that need more than its posteriors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from espnet_ee.clusters import Clusters
from espnet_ee.lexical import Lexical
from espnet_ee.policies import Resources


def resources_beside(
    config: Path, exit_layers: Sequence[int], spell: Callable[[Sequence[int]], str]
) -> Resources:
    """Words and clusters of the model of ``config``, where somebody prepared them.

    Args:
        config: Its ``config.yaml``.
        exit_layers: Of the model, from 1.
        spell: Token ids to words.

    Raises:
        ConfigError: Clusters of other exits.
        DataError: A damaged file.
    """
    clusters = Clusters.find(config.parent)
    if clusters:
        clusters.check_exits(exit_layers)
    return Resources(spell, Lexical.find(config.parent), clusters)
