"""Forced alignment: the likeliest path that spells the text, whatever the text."""

from __future__ import annotations

import itertools

import pytest
import torch

from espnet_ee.decoding.early_exit import speak_greedily
from espnet_ee.decoding.timestamps import TimedSpeaker, align, frames_needed, spans_of
from espnet_ee.errors import DataError
from espnet_ee.exits import Exit
from espnet_ee.nn.alignment import best_path, collapse


def posteriors(frames: int, labels: int, seed: int = 0, sharp: float = 2.0) -> torch.Tensor:
    """``(T, V)`` log-probabilities."""
    generator = torch.Generator().manual_seed(seed)
    return (sharp * torch.randn(frames, labels, generator=generator)).log_softmax(dim=-1)


def path_of(spans, frames: int) -> list[int]:
    """The label of each frame, by the spans."""
    labels = [0] * frames
    for span in spans:
        labels[int(span.start) : int(span.end)] = [span.token] * int(span.end - span.start)
    return labels


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("labels", [2, 5])
def test_a_greedy_text_lies_on_the_greedy_path(seed, labels):
    log_probs = posteriors(30, labels, seed)
    best = best_path(log_probs[None], torch.tensor([30]))
    [tokens] = collapse(best.labels)
    spans = align(log_probs, tokens)
    assert path_of(spans, 30) == best.labels[0].tolist()
    assert spans_of(best.labels[0], best.log_probs[0]) == spans
    assert [span.token for span in spans] == list(tokens)


@pytest.mark.parametrize("tokens", [(1,), (1, 2), (1, 1), (2, 1, 1), (1, 2, 1), (3, 3, 1)])
def test_no_path_that_spells_the_text_is_likelier(tokens):
    log_probs = posteriors(6, 4, seed=3)
    spelling = [
        path
        for path in itertools.product(range(4), repeat=6)
        if collapse(torch.tensor([path])) == [tokens]
    ]
    best = max(spelling, key=lambda path: float(log_probs[range(6), list(path)].sum()))
    assert path_of(align(log_probs, tokens), 6) == list(best)


def test_confidence_is_the_mean_posterior_of_the_tokens_own_frames():
    log_probs = posteriors(12, 4, seed=1)
    for span in align(log_probs, (2, 2, 3)):
        own = log_probs[int(span.start) : int(span.end), span.token].exp()
        assert span.confidence == pytest.approx(float(own.mean()), abs=1e-6)
        assert 0.0 <= span.confidence <= 1.0


@pytest.mark.parametrize("tokens", [(1, 2, 3, 1, 2), (1, 1, 1), (1, 1, 2, 3)])
def test_a_text_that_just_fits_takes_every_frame(tokens):
    assert frames_needed(tokens) == 5
    spans = align(posteriors(5, 4), tokens)
    assert all(span.end - span.start == 1.0 for span in spans)
    assert (spans[0].start, spans[-1].end) == (0.0, 5.0)


@pytest.mark.parametrize("tokens", [(1, 2, 3, 1, 2, 3), (1, 1, 1, 1), (2,) * 40])
def test_a_text_with_too_many_tokens_is_aligned_to_parts_of_frames(tokens):
    spans = align(posteriors(5, 4), tokens)
    assert [span.token for span in spans] == list(tokens)
    assert all(0.0 <= span.start < span.end <= 5.0 for span in spans)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    assert any(span.end % 1 for span in spans)


def test_a_dense_text_still_lies_where_it_is_heard():
    heard = torch.full((4, 5), -20.0)
    for frame, label in enumerate((1, 2, 3, 4)):
        heard[frame, label] = 0.0
    spans = align(heard.log_softmax(dim=-1), (1, 1, 2, 3, 4))
    middles = [(span.start + span.end) / 2 for span in spans]
    assert [int(middle) for middle in middles[2:]] == [1, 2, 3]
    assert middles[0] < middles[1] <= 2.0


def test_one_frame_and_no_token():
    [span] = align(posteriors(1, 2), (1,))
    assert (span.start, span.end) == (0.0, 1.0)
    assert align(posteriors(1, 2), ()) == ()


def test_posteriors_that_are_no_numbers():
    log_probs = posteriors(5, 4)
    log_probs[3, 1] = torch.nan
    with pytest.raises(DataError, match="posteriors are NaN"):
        align(log_probs, (1,))


def exit_of(lengths: list[int]) -> Exit:
    rows = torch.arange(len(lengths))
    hidden = torch.zeros(len(lengths), max(lengths), 1)
    return Exit(0, 1, True, hidden, torch.tensor(lengths), rows)


def test_each_row_is_aligned_by_its_own_frames():
    long, short = posteriors(20, 5, seed=1), posteriors(9, 5, seed=2)
    padded = torch.full((11, 5), torch.nan)  # whoever reads the padding sees it
    batch = torch.stack([long, torch.cat([short, padded])])
    together = TimedSpeaker(speak_greedily)(exit_of([20, 9]), batch)
    alone = [
        TimedSpeaker(speak_greedily)(exit_of([len(one)]), one[None])[0] for one in (long, short)
    ]
    assert [one.spans for one in together] == [one.spans for one in alone]
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert together[1].spans[-1].end <= 9
