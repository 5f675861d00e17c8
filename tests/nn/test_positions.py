"""Positions: a table that grows, for decoding and training."""

from __future__ import annotations

import pytest
import torch

from espnet_ee.nn.positions import Positions, sinusoids


@pytest.mark.parametrize("frames", [1, 5, 511, 513, 3000])
def test_distances_run_from_the_farthest_behind_to_the_farthest_ahead(frames):
    positions = Positions(8, True, 0.0)
    wanted = sinusoids(torch.arange(frames - 1, -frames, -1, dtype=torch.float32), 8)
    for _ in range(2):  # fresh and from the table
        torch.testing.assert_close(positions.distances(torch.zeros(1, frames, 8)), wanted)


def test_a_table_grown_for_a_long_utterance_serves_a_short_one():
    grown, fresh = Positions(8, True, 0.0), Positions(8, True, 0.0)
    grown.distances(torch.zeros(1, 5000, 8))
    short = torch.zeros(1, 7, 8)
    torch.testing.assert_close(grown.distances(short), fresh.distances(short))


def test_absolute_positions_are_added_and_have_no_distances():
    positions = Positions(4, False, 0.0)
    frames = torch.ones(1, 3, 4)
    wanted = 2.0 * frames + sinusoids(torch.arange(3.0), 4)
    torch.testing.assert_close(positions(frames), wanted)
    assert positions.distances(frames) is None


def test_a_table_made_while_decoding_serves_training():
    positions = Positions(4, True, 0.0)
    with torch.inference_mode():
        positions.distances(torch.zeros(1, 3, 4))
    weight = torch.ones(4, 1, requires_grad=True)
    (positions.distances(torch.zeros(1, 3, 4)) @ weight).sum().backward()
    assert weight.grad is not None
