"""History gives back what utterances showed, in whatever batches they passed and are now."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from espnet_ee.decoding.history import History
from espnet_ee.policies import Evidence

FRAMES = {utterance: 4 + 3 * (utterance % 4) for utterance in range(8)}


def evidence(exit_index, utterances):
    """Posteriors that tell exit, utterance and frame."""
    lengths = torch.tensor([FRAMES[utterance] for utterance in utterances])
    generator = torch.Generator().manual_seed(exit_index)
    log_probs = torch.randn(8, 13, 5, generator=generator).log_softmax(-1)
    rows = log_probs[utterances, : int(lengths.max())]
    return Evidence(exit_index, 2 * exit_index + 2, rows, lengths, torch.tensor(utterances))


def check(history, utterances, exits):
    found = history.of(torch.tensor(utterances))
    assert [one.exit_index for one in found] == list(range(exits))
    for exit_index, one in enumerate(found):
        wanted = evidence(exit_index, utterances)
        assert one.log_probs is None and one.utterances.tolist() == utterances
        assert torch.equal(one.lengths, wanted.lengths)
        assert torch.equal(one.labels, wanted.labels)
        assert one.texts == wanted.texts


@pytest.mark.parametrize("seed", range(10))
def test_any_way_through_batches(seed):
    """Batches split, join and change their order from exit to exit; utterances leave."""
    rng = np.random.default_rng(seed)
    history, active = History(), list(range(8))
    for exit_index in range(5):
        cuts = np.sort(rng.integers(0, len(active) + 1, rng.integers(0, 3)))
        batches = [part.tolist() for part in np.split(rng.permutation(active), cuts) if len(part)]
        active = []
        for batch in batches:
            check(history, batch, exit_index)
            going_on = [utterance for utterance in batch if rng.random() < 0.8]
            history.forget(torch.tensor([u for u in batch if u not in going_on], dtype=torch.int64))
            if going_on:
                rows = torch.tensor([batch.index(utterance) for utterance in going_on])
                history.add(evidence(exit_index, batch).passed().take(rows))
            active += going_on
        if not active:
            break


def test_a_batch_that_nobody_leaves_is_given_back_as_it_is():
    history, batch = History(), [3, 1, 5]
    added = []
    for exit_index in range(3):
        assert all(a is b for a, b in zip(history.of(torch.tensor(batch)), added, strict=True))
        now = evidence(exit_index, batch)
        assert now.texts
        added.append(now.passed())
        history.add(added[-1])
    check(history, batch, 3)
    check(history, [5, 1], 3)
    check(history, batch, 3)


def test_nobody_has_no_history():
    assert History().of(torch.tensor([], dtype=torch.int64)) == []
