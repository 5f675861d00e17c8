"""Law 6: a higher threshold never exits earlier; ``-inf`` is the first exit, ``inf`` the last."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
import torch
from law_tools import recorded_scores, thresholds_between
from model_factory import make_recogniser, make_waves

from espnet_ee.policies import ExitPolicy, policy_names


@pytest.fixture(scope="module", params=[0, 1])
def asr(request, tmp_path_factory):
    return make_recogniser(tmp_path_factory.mktemp("monotone"), seed=request.param)


@pytest.fixture(scope="module")
def waves():
    return make_waves([8000, 16001, 24000, 12345, 19999, 5000], seed=5)


@pytest.mark.parametrize("policy", policy_names())
def test_a_higher_threshold_never_exits_earlier(policy, asr, waves):
    grid = thresholds_between(recorded_scores(asr.all_exits(waves), policy))
    runs = [asr(waves, policy, threshold) for threshold in grid]
    picks = [[result.exit_index for result in run] for run in runs]
    for earlier, later in pairwise(picks):
        assert all(shallow <= deep for shallow, deep in zip(earlier, later, strict=True))
    gflops = [sum(result.gflops for result in run) for run in runs]
    assert gflops == sorted(gflops)
    assert set(picks[0]) == {0} and set(picks[-1]) == {2}


@dataclass(frozen=True)
class Ignorant(ExitPolicy):
    """Knows nothing."""

    name = "ignorant"
    unit = "none"

    def score(self, now, history):
        return torch.full(now.lengths.shape, math.nan)


@pytest.mark.parametrize("threshold", [-math.inf, 0.0, math.inf])
def test_an_unknown_score_never_stops_before_the_last_exit(threshold, asr, waves):
    results = asr(waves, Ignorant(), threshold)
    assert {result.layer for result in results} == {6}
    assert all(math.isnan(result.score) for result in results)
