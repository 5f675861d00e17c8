"""Few shapes for training on CPUs: lengths are rounded up, and nothing else changes."""

from __future__ import annotations

import os

import pytest
import torch
from model_factory import make_features, make_model

from espnet_ee.nn.onednn import LENGTH_STEP, pad_to_few_shapes, widen_primitive_cache


@pytest.mark.parametrize(("frames", "padded"), [(1, 64), (64, 64), (65, 128), (128, 128)])
def test_lengths_are_rounded_up_with_zeros(frames, padded):
    features = torch.ones(2, frames, 3)
    out = pad_to_few_shapes(features)
    assert out.shape == (2, padded, 3) and padded % LENGTH_STEP == 0
    assert out[:, :frames].equal(features) and not out[:, frames:].any()


@pytest.mark.parametrize("stem", ["conv2d", "dwconv8"])
def test_the_loss_of_a_training_step_does_not_see_the_padding(stem, tmp_path):
    still = {"dropout_rate": 0.0, "positional_dropout_rate": 0.0, "input_layer": stem}
    model = make_model(tmp_path, encoder_conf=still, input_size=40, normalize=None).train()
    features, lengths = make_features([150, 97, 120])
    batch = {
        "speech_lengths": lengths,
        "text": torch.tensor([[3, 4, 5], [6, 7, -1], [8, -1, -1]]),
        "text_lengths": torch.tensor([3, 2, 1]),
    }
    loss = model(speech=features, **batch)[0]
    wider = torch.nn.functional.pad(features, (0, 0, 0, 3 * LENGTH_STEP))
    torch.testing.assert_close(model(speech=wider, **batch)[0], loss, atol=1e-4, rtol=1e-5)


def test_a_users_own_cache_size_stays(monkeypatch):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, "7")
    widen_primitive_cache()
    assert os.environ[name] == "7"
    monkeypatch.delenv(name)
    widen_primitive_cache()
    assert int(os.environ[name]) > 1024
