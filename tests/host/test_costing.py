"""What front-ends cost: ESPnet's own is counted, none costs nothing, others are refused."""

from __future__ import annotations

import pytest
from model_factory import N_MELS, make_model
from torch import nn

from espnet_ee.errors import ConfigError
from espnet_ee.host.costing import cost_model_of, log_mel_of, reference_cost
from espnet_ee.policies import build_policy, policy_names


def test_a_model_that_reads_features_costs_no_front_end(tmp_path):
    model = make_model(tmp_path, frontend=None, frontend_conf={}, input_size=N_MELS)
    assert model.frontend is None and log_mel_of(model.frontend) is None
    cost = reference_cost(model, 2.0, 16000)
    assert cost.floor_gflops == model.encoder.stem_flops(200) / 1e9


def test_a_front_end_of_unknown_cost_is_refused():
    with pytest.raises(ConfigError, match=r"not ESPnet's(.|\n)*got:  Identity\n  want: .*default"):
        log_mel_of(nn.Identity())


def test_the_reference_is_charged_the_costliest_policy(tmp_path):
    model = make_model(tmp_path)
    rules = [build_policy(name) for name in policy_names()]
    most = max(rules, key=lambda rule: rule.score_flops(model.vocab_size, 16))
    assert reference_cost(model, 1.0, 16000) == cost_model_of(model, [most]).utterance(101)
