"""Batches: every utterance once, bounded, of similar lengths."""

from __future__ import annotations

import numpy as np
import pytest

from espnet_ee.batching import length_sorted_batches


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("batch_size", "max_padded"), [(1, 1e9), (4, 60.0), (16, 30.0), (1000, 1e9)]
)
def test_the_laws(seed, batch_size, max_padded):
    lengths = np.random.default_rng(seed).gamma(2.0, 5.0, 60).tolist()
    batches = length_sorted_batches(lengths, batch_size, max_padded)
    places = [place for batch in batches for place in batch]
    assert sorted(places) == list(range(60))
    assert [lengths[place] for place in places] == sorted(lengths)
    for batch in batches:
        padded = len(batch) * max(lengths[place] for place in batch)
        assert 1 <= len(batch) <= batch_size
        assert padded <= max_padded or len(batch) == 1


def test_no_utterance_gives_no_batch():
    assert length_sorted_batches([], 4, 10.0) == []


def test_a_long_utterance_goes_alone():
    assert length_sorted_batches([100.0, 1.0, 2.0], 4, 10.0) == [[1, 2], [0]]


def test_equal_lengths_keep_their_order():
    assert length_sorted_batches([3.0] * 5, 2, 1e9) == [[0, 1], [2, 3], [4]]
