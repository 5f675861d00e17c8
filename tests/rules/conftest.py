"""A small scored set, and one large enough to learn from."""

from __future__ import annotations

import numpy as np
import pytest
from record_factory import table_record

from espnet_ee.scored_set import score_set


@pytest.fixture
def scored():
    """Three utterances, three exits; policy ``p``."""
    texts = [["a x", "a b", "a b"], ["c", "c", "x"], ["x y z", "x y z", "d"]]
    scores = [[0.2, 0.6, 0.9], [0.9, 0.9, 0.9], [0.1, 0.3, 0.9]]
    return score_set(table_record(texts, ["a b", "c", "d"], p=scores))


@pytest.fixture(scope="session")
def learnable():
    """200 utterances of 20 speakers, whose first exits are right the likelier the higher ``p``."""
    rng = np.random.default_rng(0)
    p = rng.random((200, 3))
    right = rng.random((200, 3)) < p
    right[:, -1] = True
    texts = [["a" if good else "x" for good in row] for row in right]
    noise = rng.normal(size=(200, 3))
    noise[5, 0] = np.nan
    speakers = [f"s{row % 20}" for row in range(200)]
    record = table_record(texts, ["a"] * 200, p=p.tolist(), noise=noise.tolist())
    keys = [utterance.utt_id for utterance in record.utterances]
    return score_set(record, utt2spk=dict(zip(keys, speakers, strict=True)))
