"""Stems: exact lengths, no padding in time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from espnet_ee.nn.stems import STEM_NAMES, build_stem

BINS, WIDTH = 40, 8


@pytest.fixture(scope="module", params=STEM_NAMES)
def stem(request):
    torch.manual_seed(0)
    return build_stem(request.param, BINS, WIDTH, nn.Identity(), channels=4).eval()


@torch.inference_mode()
def test_lengths_are_exact_for_every_input_length(stem):
    for frames in range(stem.min_frames, 140):
        out = stem(torch.randn(1, frames, BINS))
        assert out.shape == (1, int(stem.output_lengths(torch.tensor(frames))), WIDTH)


@pytest.mark.parametrize(
    ("name", "frames"), [("conv2d", 29), ("conv1d", 29), ("dwconv4", 29), ("dwconv8", 14)]
)
def test_120_frames(name, frames):
    """Stock ESPnet 202511 counts 30 in a batch and 29 alone."""
    stem = build_stem(name, BINS, WIDTH, nn.Identity(), channels=4)
    assert int(stem.output_lengths(torch.tensor(120))) == frames


def test_the_fewest_frames_give_one_and_fewer_none(stem):
    fewest = stem.min_frames
    assert fewest == {2: 7, 3: 15}[stem.halvings]
    assert stem.output_lengths(torch.tensor([0, 1, fewest - 1, fewest])).tolist() == [0, 0, 0, 1]


@torch.inference_mode()
def test_a_frame_sees_only_its_own_input(stem):
    """Whatever follows the input of an utterance's last frame changes none of its frames."""
    features = torch.randn(1, 60, BINS)
    count = int(stem.output_lengths(torch.tensor(60)))
    longer = torch.cat([features, torch.full((1, 50, BINS), 1e3)], dim=1)
    torch.testing.assert_close(stem(longer)[:, :count], stem(features), atol=1e-5, rtol=1e-5)
