"""Thresholds for a cost, a WER, an excess: the promise holds where they were chosen."""

from __future__ import annotations

import pytest

from espnet_ee.baselines import fixed_exits
from espnet_ee.errors import ConfigError
from espnet_ee.rules import selection


def test_the_cost_comes_nearest_from_below(learnable):
    for share in (0.5, 0.65, 0.8, 1.0):
        point = selection.within_cost(learnable, "p", share)
        assert share - 0.03 < selection.cost_share(learnable, point) <= share + 1e-9


def test_the_least_wer_within_and_the_cheapest_of_it(learnable):
    last = fixed_exits(learnable)[-1]
    point = selection.within_wer(learnable, "p", 0.1)
    assert point.wer <= 0.1 and point.gflops_per_second < last.gflops_per_second
    cheaper = selection.within_wer(learnable, "p", 0.2)
    assert cheaper.gflops_per_second <= point.gflops_per_second
    assert selection.within_excess(learnable, "p", 0.1) == selection.within_wer(
        learnable, "p", last.wer + 0.1
    )


def test_a_fixed_exit_can_be_chosen_too(learnable):
    assert selection.within_wer(learnable, "layer", 1.0).threshold == 1.0


def test_a_promised_excess(learnable):
    point, control = selection.within_risk(learnable, "p", 0.2, 0.9)
    assert not control.fell_back and control.risk < 0.2
    assert point.threshold == control.threshold and point.wer < 0.2
    point, control = selection.within_risk(learnable, "p", 0.001, 0.9)
    assert control.fell_back and set(point.picks.tolist()) == {2}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: selection.within_cost(s, "p", 0.01), "% or more: what the first exit costs"),
        (lambda s: selection.within_wer(s, "p", -0.1), "No threshold of p reaches"),
    ],
)
def test_what_cannot_be_reached_says_what_can(call, words, learnable):
    with pytest.raises(ConfigError, match=words):
        call(learnable)
