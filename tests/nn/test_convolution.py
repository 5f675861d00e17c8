"""The convolution module and its batch normalisation know no padding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from espnet_ee.nn.convolution import ConvolutionModule, DepthwiseConv, MaskedBatchNorm
from espnet_ee.nn.masks import masked_frame_mean, padding_or_none, valid_frames

LENGTHS = torch.tensor([9, 4, 6])


@pytest.fixture
def frames():
    return torch.randn(3, 9, 5, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def padding():
    return ~valid_frames(LENGTHS, 9)


def test_running_statistics_ignore_padding(frames, padding):
    masked, plain = MaskedBatchNorm(5).train(), nn.BatchNorm1d(5).train()
    noisy = frames.masked_fill(padding[:, :, None], 1e6)
    out = masked(noisy, padding)
    expected = plain(frames[~padding])
    torch.testing.assert_close(out[~padding], expected)
    assert (out[padding] == 0).all()
    torch.testing.assert_close(dict(masked.named_buffers()), dict(plain.named_buffers()))
    real = frames[~padding]
    torch.testing.assert_close(masked.running_mean, 0.1 * real.mean(0))
    torch.testing.assert_close(masked.running_var, 0.9 + 0.1 * real.var(0))


def test_padding_gets_no_gradient(frames, padding):
    frames.requires_grad_()
    MaskedBatchNorm(5).train()(frames, padding).square().sum().backward()
    assert (frames.grad[padding] == 0).all()


def test_the_whole_module_trains_alike_with_more_padding(frames, padding):
    torch.manual_seed(0)
    module = ConvolutionModule(5, 3, nn.SiLU()).train()
    out = module(frames, padding)[~padding]
    wider = torch.cat([frames, torch.full((3, 4, 5), 7.0)], dim=1)
    wider_padding = ~valid_frames(LENGTHS, 13)
    torch.testing.assert_close(module(wider, wider_padding)[~wider_padding], out)


def test_a_depthwise_convolution_is_torchs(frames):
    ours = DepthwiseConv(5, 3)
    stock = nn.Conv1d(5, 5, 3, padding=1, groups=5)
    stock.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(frames), stock(frames.transpose(1, 2)).transpose(1, 2))


def test_masks():
    assert valid_frames(torch.tensor([2, 0]), 3).tolist() == [[True, True, False], [False] * 3]
    assert padding_or_none(torch.tensor([3, 3]), 3) is None
    assert padding_or_none(torch.tensor([3, 1]), 3).tolist() == [[False] * 3, [False, True, True]]


def test_a_frame_mean_reads_no_padding():
    values = torch.tensor([[1.0, 3.0, float("nan")], [5.0, float("inf"), float("nan")]])
    assert masked_frame_mean(values, torch.tensor([2, 1])).tolist() == [2.0, 5.0]
