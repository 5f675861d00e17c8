"""Exit rules. A policy turns evidence into a score; the threshold is an argument."""

from __future__ import annotations

from contextlib import suppress

from espnet_ee.errors import ConfigError
from espnet_ee.policies._base import Evidence, ExitPolicy, stops
from espnet_ee.policies.agreement import Agreement, Alignment, Patience
from espnet_ee.policies.certainty import (
    Confidence,
    Entropy,
    Margin,
    SpokenConfidence,
    SpokenEntropy,
)
from espnet_ee.policies.clusters import ClusterEntropy
from espnet_ee.policies.fixed import Layer
from espnet_ee.policies.lexical import Brevity, KnownWords, Spelling
from espnet_ee.policies.posterior import Posterior
from espnet_ee.policies.resources import Resources
from espnet_ee.policies.steadiness import Cosine, Window
from espnet_ee.spelling import closest

__all__ = [
    "Evidence",
    "ExitPolicy",
    "Resources",
    "available_policies",
    "build_policy",
    "policy_names",
    "register_policy",
    "stops",
]

_REGISTRY: dict[str, type[ExitPolicy]] = {}


def register_policy(policy: type[ExitPolicy]) -> type[ExitPolicy]:
    """Make a policy known by its name; works as a class decorator.

    Raises:
        ConfigError: The name is taken.
    """
    if policy.name in _REGISTRY:
        raise ConfigError(f"a policy named {policy.name!r} is registered already.")
    _REGISTRY[policy.name] = policy
    return policy


def policy_names() -> tuple[str, ...]:
    """Names of all registered policies."""
    return tuple(_REGISTRY)


def build_policy(name: str) -> ExitPolicy:
    """The policy called ``name``.

    Raises:
        ConfigError: No such policy.
    """
    if name not in _REGISTRY:
        near = closest(name, _REGISTRY)
        raise ConfigError(
            f"unknown policy {name!r}.",
            want=", ".join(_REGISTRY),
            fix=f"did you mean {near}?" if near else "",
        )
    return _REGISTRY[name]()


def available_policies(resources: Resources) -> tuple[ExitPolicy, ...]:
    """All registered policies that the model at hand has what they need for."""
    found = []
    for name in _REGISTRY:
        with suppress(ConfigError):
            found.append(build_policy(name).bind(resources))
    return tuple(found)


BUILT_IN = (
    *(Layer, Entropy, Confidence),
    *(Margin, SpokenEntropy, SpokenConfidence),
    *(Patience, Agreement, Alignment),
    *(Window, Cosine, ClusterEntropy),
    *(KnownWords, Spelling, Brevity),
    Posterior,
)
for _policy in BUILT_IN:
    register_policy(_policy)
