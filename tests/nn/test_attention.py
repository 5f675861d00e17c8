"""Attention: relative positions by the formula, chunks of queries, padding."""

from __future__ import annotations

import math

import pytest
import torch

from espnet_ee.nn import attention as attention_module
from espnet_ee.nn.attention import RelativeSelfAttention, SelfAttention, query_chunks
from espnet_ee.nn.positions import Positions

WIDTH, HEADS = 8, 2


@pytest.fixture(scope="module")
def attention():
    torch.manual_seed(0)
    return RelativeSelfAttention(WIDTH, HEADS, 0.0).eval()


def by_formula(attention, frames, distances):
    """Equation of arXiv:1901.02860, section 3.3, one query and key at a time."""
    heads, size = attention.heads, attention.head_width
    total = frames.shape[0]
    query = attention.linear_q(frames).view(total, heads, size)
    key = attention.linear_k(frames).view(total, heads, size)
    value = attention.linear_v(frames).view(total, heads, size)
    position = attention.linear_pos(distances).view(-1, heads, size)
    mixed = torch.zeros(total, heads, size)
    for head in range(heads):
        scores = torch.empty(total, total)
        for i in range(total):
            for j in range(total):
                # distances run from T-1 down to -(T-1): distance i-j lies at T-1-(i-j)
                relative = position[total - 1 - (i - j), head]
                scores[i, j] = (query[i, head] + attention.pos_bias_u[head]) @ key[j, head]
                scores[i, j] += (query[i, head] + attention.pos_bias_v[head]) @ relative
        mixed[:, head] = (scores / math.sqrt(size)).softmax(-1) @ value[:, head]
    return attention.linear_out(mixed.flatten(1))


@pytest.mark.parametrize("frames", [1, 2, 9])
@torch.inference_mode()
def test_the_formula(frames, attention):
    hidden = torch.randn(1, frames, WIDTH)
    distances = Positions(WIDTH, True, 0.0).distances(hidden)
    expected = by_formula(attention, hidden[0], distances)
    torch.testing.assert_close(
        attention(hidden, distances, None)[0], expected, atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("chunk", [1, 3, 7, 19, 20, 512])
@pytest.mark.parametrize("padded", [False, True])
@torch.inference_mode()
def test_chunks_of_queries_change_nothing(chunk, padded, attention, monkeypatch):
    hidden = torch.randn(3, 20, WIDTH, generator=torch.Generator().manual_seed(1))
    distances = Positions(WIDTH, True, 0.0).distances(hidden)
    padding = torch.arange(20) >= torch.tensor([[20], [4], [13]]) if padded else None
    whole = attention(hidden, distances, padding)
    monkeypatch.setattr(attention_module, "QUERY_CHUNK", chunk)
    assert len(query_chunks(20)) == math.ceil(20 / chunk)
    torch.testing.assert_close(attention(hidden, distances, padding), whole, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", [SelfAttention, RelativeSelfAttention])
@torch.inference_mode()
def test_padding_is_never_attended_to(kind):
    layer = kind(WIDTH, HEADS, 0.0).eval()
    hidden = torch.randn(2, 12, WIDTH)
    padding = torch.arange(12) >= torch.tensor([[12], [7]])
    positions = Positions(WIDTH, True, 0.0)
    together = layer(hidden, positions.distances(hidden), padding)
    alone = layer(hidden[1:, :7], positions.distances(hidden[1:, :7]), None)
    torch.testing.assert_close(together[1, :7], alone[0], atol=1e-6, rtol=1e-5)


def test_chunks_cover_every_query_once():
    for frames in (1, 511, 512, 513, 1500):
        chunks = query_chunks(frames)
        assert [i for start, end in chunks for i in range(start, end)] == list(range(frames))


@torch.inference_mode()
def test_remembered_positions_are_the_projected_ones(monkeypatch):
    monkeypatch.setattr(attention_module, "REMEMBERED_FRAMES", 20)
    linear, positions = torch.nn.Linear(WIDTH, 6, bias=False), Positions(WIDTH, True, 0.0)
    remembered = attention_module.RememberedPositions(linear.weight)
    for frames in (5, 3, 9, 9, 1, 20, 33, 7, 600, 20):
        distances = positions.distances(torch.zeros(1, frames, WIDTH))
        torch.testing.assert_close(remembered(distances), linear(distances))
    assert len(remembered._longest) == 2 * 20 - 1, "longer ones are not kept"
