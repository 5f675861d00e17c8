"""Law 3: nothing above the deepest exit taken runs; a stopped utterance is in no later block."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from law_tools import exits_within, thresholds_between
from model_factory import VARIANTS, make_features, make_model, make_policy

from espnet_ee.decoding.early_exit import decode_all, decode_until_good
from espnet_ee.policies import build_policy, policy_names

LENGTHS = [90, 33, 150, 61, 120, 47, 75]


@pytest.fixture(scope="module", params=["own", *VARIANTS])
def model(request, tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("lazy"), **VARIANTS.get(request.param, {}))


class RowCounter:
    """Counts the rows that enter each block and each head."""

    def __init__(self, model):
        self.blocks, self.heads = Counter(), []
        self._handles = [
            block.register_forward_hook(self._count(layer))
            for layer, block in enumerate(model.encoder.encoders, start=1)
        ]
        heads = [model.ctc.ctc_lo, *(head.linear for head in model.exit_heads.values())]
        self._handles += [head.register_forward_hook(self._head) for head in heads]

    def _count(self, layer):
        def hook(module, inputs, output):
            self.blocks[layer] += len(inputs[0])

        return hook

    def _head(self, module, inputs, output):
        self.heads.append(len(inputs[0]))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for handle in self._handles:
            handle.remove()


def expected_blocks(decisions):
    """Rows per block when each utterance runs exactly up to its exit."""
    rows = Counter()
    for decision in decisions:
        rows.update(range(1, decision.layer + 1))
    return rows


@torch.inference_mode()
def decode(model, policy, threshold, batches=1):
    share = len(LENGTHS) // batches
    parts = [LENGTHS[first : first + share] for first in range(0, share * batches, share)]
    with RowCounter(model) as counter:
        decisions = decode_until_good(
            model, [make_features(part) for part in parts], make_policy(policy), threshold
        )
    return decisions, counter


@torch.inference_mode()
def scores_of(model, policy):
    decoded = decode_all(model, *make_features(LENGTHS), [make_policy(policy)])
    return [[exit.scores[policy] for exit in exits] for exits in decoded]


def thresholds_of(model, policy):
    return thresholds_between(scores_of(model, policy))


@pytest.mark.parametrize("policy", policy_names())
def test_every_block_sees_exactly_the_utterances_still_active(policy, model):
    exits = set()
    for threshold in thresholds_of(model, policy):
        decisions, counter = decode(model, policy, threshold)
        assert counter.blocks == expected_blocks(decisions)
        exits |= {decision.exit_index for decision in decisions}
    scores = scores_of(model, policy)
    assert exits == exits_within(scores, thresholds_between(scores)) >= {0, 2}


@pytest.mark.parametrize("policy", policy_names())
def test_of_several_batches_too(policy, model):
    for threshold in thresholds_of(model, policy):
        decisions, counter = decode(model, policy, threshold, batches=3)
        assert len(decisions) == 6
        assert counter.blocks == expected_blocks(decisions)


def test_batches_come_one_at_a_time(model):
    """A walk over many batches holds the features of one."""
    taken = []

    def batches():
        for frames in ([50, 80], [33], [61, 47]):
            taken.append(frames)
            yield make_features(frames)

    with torch.inference_mode():
        exits = iter(model.walk(batches()))
        assert not taken
        for wanted in (1, 2, 3):
            assert next(exits).layer == 2 and len(taken) == wanted
        assert next(exits).layer == 4 and len(taken) == 3


@pytest.mark.parametrize("layer", [2, 4, 6])
def test_a_fixed_exit_runs_its_own_head_only(layer, model):
    decisions, counter = decode(model, "layer", layer)
    assert {decision.layer for decision in decisions} == {layer}
    assert counter.blocks == dict.fromkeys(range(1, layer + 1), len(LENGTHS))
    assert counter.heads == [len(LENGTHS)]


@pytest.mark.parametrize("policy", policy_names())
def test_heads_run_where_posteriors_are_read_or_an_utterance_stops(policy, model):
    for threshold in thresholds_of(model, policy):
        decisions, counter = decode(model, policy, threshold)
        taken = [decision.exit_index for decision in decisions]
        reached = [sum(index >= exit_index for index in taken) for exit_index in range(3)]
        stopped = [taken.count(exit_index) for exit_index in range(3)]
        wanted = reached if build_policy(policy).reads_posteriors else stopped
        assert counter.heads == [rows for rows in wanted if rows]


def test_a_walk_computes_nothing_ahead(model):
    features, lengths = make_features([50, 80])
    with RowCounter(model) as counter, torch.inference_mode():
        walk = iter(model.walk([(features, lengths)]))
        assert not counter.blocks
        for layer in (2, 4, 6):
            assert next(walk).layer == layer
            assert set(counter.blocks) == set(range(1, layer + 1))
        assert next(walk, None) is None


def test_a_walk_with_nobody_left_ends(model):
    features, lengths = make_features([50, 80])
    with RowCounter(model) as counter, torch.inference_mode():
        walk = model.walk([(features, lengths)])
        layers = []
        for exit in walk:
            layers.append(exit.layer)
            walk.keep(torch.zeros(len(exit.utterances), dtype=torch.bool))
    assert layers == [2] and set(counter.blocks) == {1, 2}
