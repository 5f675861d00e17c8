"""Packed weights give the same outputs and leave alone what they cannot serve."""

from __future__ import annotations

import copy

import pytest
import torch
from model_factory import make_features, make_model
from torch import nn

from espnet_ee.nn.packed import PackedLinear, PointwiseConv, can_pack, pack_for_inference

needs_packing = pytest.mark.skipif(
    not can_pack(nn.Linear(1, 1)), reason="this processor or torch has no packed weights"
)


@needs_packing
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 7, 300])
@torch.inference_mode()
def test_a_packed_layer_is_the_linear_one(rows, bias):
    linear = nn.Linear(24, 16, bias=bias)
    packed = PackedLinear(linear.weight, linear.bias)
    frames = torch.randn(2, rows, 24)
    torch.testing.assert_close(packed(frames), linear(frames), atol=1e-5, rtol=1e-5)


@needs_packing
@torch.inference_mode()
def test_a_packed_model_gives_the_same_hidden_states(tmp_path):
    model = make_model(tmp_path)
    packed = copy.deepcopy(model)
    assert pack_for_inference(packed)
    left = {type(module) for module in packed.modules()}
    assert PackedLinear in left and nn.Linear not in left and PointwiseConv not in left
    features, lengths = make_features([90, 140])
    for exit, other in zip(
        model.walk([(features, lengths)]), packed.walk([(features, lengths)]), strict=True
    ):
        torch.testing.assert_close(exit.hidden, other.hidden, atol=1e-4, rtol=0)
        torch.testing.assert_close(
            model.exit_log_probs(exit), packed.exit_log_probs(other), atol=1e-4, rtol=0
        )


def test_other_precisions_are_left_as_they_are():
    model = nn.Sequential(nn.Linear(3, 3)).to(torch.bfloat16)
    assert pack_for_inference(model) is False
    assert type(model[0]) is nn.Linear


def test_a_pointwise_convolution_is_torchs():
    ours, stock = PointwiseConv(4, 6), nn.Conv1d(4, 6, 1)
    stock.load_state_dict(ours.state_dict())
    frames = torch.randn(2, 5, 4)
    torch.testing.assert_close(ours(frames), stock(frames.transpose(1, 2)).transpose(1, 2))
