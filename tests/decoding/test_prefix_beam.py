"""The prefix beam against all paths of tiny posteriors, and where it must lose them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from espnet_ee.decoding.prefix_beam import prefix_beam, prefix_scores

sys.path.insert(0, str(Path(__file__).parent))
from brute_force import gather, random_posteriors  # noqa: E402

EVERYTHING = 200


def search(log_probs, beam=EVERYTHING, nbest=EVERYTHING):
    [found] = prefix_beam(log_probs[None], np.array([len(log_probs)]), beam, nbest)
    return found


@pytest.mark.parametrize(
    ("frames", "labels"), [(1, 2), (1, 5), (2, 2), (6, 2), (4, 3), (6, 3), (4, 4)]
)
@pytest.mark.parametrize("seed", range(5))
def test_a_beam_that_holds_everything_sums_all_paths(frames, labels, seed):
    log_probs = random_posteriors(frames, labels, seed)
    found, wanted = search(log_probs), gather(log_probs, np.logaddexp)
    assert dict(found) == pytest.approx(wanted)
    assert len(dict(found)) == len(found)
    values = [value for _, value in found]
    assert values == sorted(values, reverse=True)
    assert np.logaddexp.reduce(values) == pytest.approx(0.0)


@pytest.mark.parametrize("seed", range(5))
def test_impossible_labels_and_whole_impossible_frames(seed):
    log_probs = random_posteriors(5, 3, seed)
    log_probs[np.random.default_rng(seed).random((5, 3)) < 0.4] = -np.inf
    wanted = gather(log_probs, np.logaddexp)
    possible = {text: value for text, value in wanted.items() if value > -np.inf}
    assert dict(search(log_probs)) == pytest.approx(possible)
    log_probs[2] = -np.inf
    assert search(log_probs) == []
    assert (prefix_scores(log_probs[None], np.array([5]), 4, 4) == -np.inf).all()


@pytest.mark.parametrize("beam", [1, 2, 3, 7])
def test_a_small_beam_adds_no_probability(beam):
    log_probs = random_posteriors(6, 4, seed=1)
    whole = gather(log_probs, np.logaddexp)
    found = search(log_probs, beam)
    assert 1 <= len(found) <= beam
    assert all(value <= whole[text] + 1e-9 for text, value in found)


@pytest.mark.parametrize("seed", range(20))
def test_labels_left_out_per_frame_change_nothing(seed):
    """A beam of K asks K + 1 labels of each frame: the others cannot come among the K best."""
    frames, labels, beam = 12, 30, 4
    log_probs = random_posteriors(frames, labels, seed)
    alive = {(): (0.0, -np.inf)}
    for frame in log_probs:
        grown: dict[tuple[int, ...], list[float]] = {}
        for text, (blank, label) in alive.items():
            total = np.logaddexp(blank, label)
            own = grown.setdefault(text, [-np.inf, -np.inf])
            own[0] = np.logaddexp(own[0], total + frame[0])
            if text:
                own[1] = np.logaddexp(own[1], label + frame[text[-1]])
            for new in range(1, labels):
                other = grown.setdefault((*text, new), [-np.inf, -np.inf])
                before = blank if text and text[-1] == new else total
                other[1] = np.logaddexp(other[1], before + frame[new])
        best = sorted(grown, key=lambda text: -np.logaddexp(*grown[text]))[:beam]
        alive = {text: tuple(grown[text]) for text in best}
    wanted = {text: np.logaddexp(*both) for text, both in alive.items()}
    assert dict(search(log_probs, beam)) == pytest.approx(wanted)


def test_alone_and_in_a_batch():
    rows = [random_posteriors(frames, 6, frames) for frames in (3, 9, 1, 9, 5)]
    lengths = np.array([len(row) for row in rows])
    batch = np.full((len(rows), 11, 6), np.nan)  # padding is never read
    for place, row in enumerate(rows):
        batch[place, : len(row)] = row
    together = prefix_beam(batch, lengths, 5, 3)
    scores = prefix_scores(batch, lengths, 5, 3)
    for row, found, values in zip(rows, together, scores, strict=True):
        assert search(row, 5, 3) == found
        assert [value for _, value in found] == values[: len(found)].tolist()


def test_all_blank_says_nothing():
    silent = np.full((4, 3), -np.inf)
    silent[:, 0] = 0.0
    assert search(silent) == [((), 0.0)]
    assert prefix_scores(silent[None], np.array([4]), 3, 3).tolist() == [[0.0, -np.inf, -np.inf]]


def test_the_likeliest_text_is_not_that_of_the_likeliest_path():
    log_probs = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert search(log_probs)[0] == ((1,), pytest.approx(np.log(0.64)))
