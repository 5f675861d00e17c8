"""CTC prefix beam search, all rows of a batch at once: the best texts, summed over their paths.

Source: Graves and Jaitly 2014, "Towards end-to-end speech recognition with recurrent neural
networks"; Hannun et al. 2014 (arXiv:1408.2873), without a language model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from espnet_ee.nn.alignment import BLANK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = NDArray[np.uint64]

# A prefix is known by 64 bits of its labels (splitmix64's constants): equal prefixes meet again
# however they came about, with no table of prefixes.
_ROOT, _STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_MIX, _SHIFT = np.uint64(0x94D049BB133111EB), np.uint64(29)
NOTHING = -1


@dataclass
class _Beam:
    """K prefixes of each of B rows, best first; a place that is not taken has probability 0.

    Attributes:
        blank: ``(B, K)`` log-probability of the paths that end in a blank.
        label: ``(B, K)`` of those that end in the prefix's last label.
        last: ``(B, K)`` that label; -1 of the empty prefix.
        key: ``(B, K)`` of the prefix.
        parent: ``(B, K)`` key of the prefix without its last label.
        steps: Per frame, for the rows that had it: from which place each prefix came, and the label
            it got, -1 for none.
    """

    blank: Floats
    label: Floats
    last: Ints
    key: Keys
    parent: Keys
    steps: list[tuple[Ints, Ints]] = field(default_factory=list)

    @staticmethod
    def empty(rows: int, width: int) -> _Beam:
        blank, label = np.full((2, rows, width), -np.inf)
        key, parent = np.zeros((2, rows, width), dtype=np.uint64)
        beam = _Beam(blank, label, np.zeros((rows, width), dtype=np.int64), key, parent)
        beam.vacate(np.ones((rows, width), dtype=bool))
        beam.blank[:, 0], beam.key[:, 0] = 0.0, _ROOT
        return beam

    def first(self, rows: int) -> _Beam:
        """The first rows, sharing memory."""
        return _Beam(
            self.blank[:rows],
            self.label[:rows],
            self.last[:rows],
            self.key[:rows],
            self.parent[:rows],
        )

    def vacate(self, places: NDArray[np.bool_]) -> None:
        """Make ``places`` ``(B, K)`` free: their prefixes, if any, are nobody's parent or child."""
        self.last[places] = NOTHING
        self.parent[places] = 0
        self.key[places] = 1

    @property
    def total(self) -> Floats:
        """``(B, K)`` log-probabilities of the prefixes."""
        both: Floats = np.logaddexp(self.blank, self.label)
        return both


def prefix_beam(
    log_probs: NDArray[Any], lengths: NDArray[Any], beam_size: int, nbest: int
) -> list[list[tuple[tuple[int, ...], float]]]:
    """The likeliest texts of each row and their log-probabilities, summed over the paths kept.

    Exact where the beam holds every prefix; a smaller beam loses paths, never adds any.

    Args:
        log_probs: ``(B, T, V)``, blank first; padding is never read.
        lengths: ``(B,)`` real frames.
        beam_size: Prefixes kept per frame, K.
        nbest: Texts returned, at most K.

    Returns:
        Per row at most ``nbest`` pairs of labels and log-probability in nats, best first; none
        where no path has a probability above 0.
    """
    beam, order = _search(log_probs, lengths, beam_size)
    total = beam.total
    found: list[list[tuple[tuple[int, ...], float]]] = [[] for _ in order]
    for row, place in enumerate(order):
        best = np.argsort(-total[row], kind="stable")[:nbest]
        found[place] = [
            (_labels(beam.steps[: lengths[place]], row, slot), float(total[row, slot]))
            for slot in best.tolist()
            if total[row, slot] > -np.inf
        ]
    return found


def prefix_scores(
    log_probs: NDArray[Any], lengths: NDArray[Any], beam_size: int, nbest: int
) -> Floats:
    """As ``prefix_beam`` without the texts: ``(B, nbest)`` log-probabilities, -inf for none."""
    beam, order = _search(log_probs, lengths, beam_size)
    scores = np.full((len(order), nbest), -np.inf)
    best = -np.sort(-beam.total, axis=1)[:, :nbest]
    scores[order, : best.shape[1]] = best
    return scores


def _search(log_probs: NDArray[Any], lengths: NDArray[Any], beam_size: int) -> tuple[_Beam, Ints]:
    """The beam behind each row's last frame, longest row first, and whose row is whose."""
    order = np.argsort(-lengths, kind="stable")
    posteriors = log_probs[order].astype(np.float64)
    # The K likeliest labels and one more leave the K best prefixes as they are: a prefix's other
    # children are all worse than K of its family.
    width = min(posteriors.shape[2] - 1, beam_size + 1)
    spoken = posteriors[:, :, 1:]
    children = np.argpartition(-spoken, width - 1, axis=2)[:, :, :width] + 1
    children.sort(axis=2)
    beam = _Beam.empty(len(order), beam_size)
    for frame in range(int(lengths.max(initial=0))):
        rows = int((lengths > frame).sum())
        _step(beam, posteriors[:rows, frame], children[:rows, frame])
    return beam, order


def _step(beam: _Beam, frame: Floats, children: Ints) -> None:
    """Go on by one frame ``(R, V)`` in the first R rows; ``children`` ``(R, N)`` may be added."""
    now = beam.first(len(frame))
    at_last = np.where(now.last > BLANK, np.take_along_axis(frame, now.last.clip(0), 1), -np.inf)
    # What stays the text it was: by a blank, or by its last label once more.
    blank, label = now.total + frame[:, :1], now.label + at_last
    # A longer text, (R, K, N): its last label again only behind a blank.
    longer = now.total[:, :, None] + np.take_along_axis(frame, children, 1)[:, None, :]
    again = now.last[:, :, None] == children[:, None, :]
    np.copyto(longer, (now.blank + at_last)[:, :, None], where=again)
    _meet(now, label, longer, at_last, children)

    width = now.key.shape[1]
    stays, grows = np.logaddexp(blank, label), longer.reshape(len(frame), -1)
    everything = np.concatenate([stays, grows], axis=1)
    best = _largest(everything, width)
    new = best >= width
    came = np.where(new, (best - width) // children.shape[1], best)
    added = np.take_along_axis(children, np.where(new, (best - width) % children.shape[1], 0), 1)
    key = np.take_along_axis(now.key, came, 1)
    now.blank[:] = np.where(new, -np.inf, np.take_along_axis(blank, came, 1))
    now.label[:] = np.take_along_axis(np.concatenate([label, grows], axis=1), best, 1)
    now.last[:] = np.where(new, added, np.take_along_axis(now.last, came, 1))
    now.parent[:] = np.where(new, key, np.take_along_axis(now.parent, came, 1))
    now.key[:] = np.where(new, _child_key(key, added), key)
    now.vacate(np.take_along_axis(everything, best, 1) == -np.inf)
    beam.steps.append((came, np.where(new, added, NOTHING)))


def _meet(now: _Beam, label: Floats, longer: Floats, at_last: Floats, children: Ints) -> None:
    """Give a longer text that is in the beam already its new paths, instead of a second place."""
    row, older, younger = (now.key[:, :, None] == now.parent[:, None, :]).nonzero()
    same = now.last[row, older] == now.last[row, younger]
    reached = np.where(same, now.blank[row, older], now.total[row, older]) + at_last[row, younger]
    label[row, younger] = np.logaddexp(label[row, younger], reached)
    pair, place = (children[row] == now.last[row, younger][:, None]).nonzero()
    longer[row[pair], older[pair], place] = -np.inf


def _largest(values: Floats, count: int) -> Ints:
    """``(R, count)`` places of each row's largest values, in any order."""
    if values.shape[1] == count:
        return np.tile(np.arange(count), (len(values), 1))
    places: Ints = np.argpartition(-values, count - 1, axis=1)[:, :count]
    return places


def _child_key(key: Keys, label: Ints) -> Keys:
    mixed: Keys = (key ^ (key >> _SHIFT)) * _MIX + label.astype(np.uint64) * _STEP
    return mixed


def _labels(steps: list[tuple[Ints, Ints]], row: int, place: int) -> tuple[int, ...]:
    """Follow a prefix back to the first frame."""
    labels = []
    for came, added in reversed(steps):
        if (label := int(added[row, place])) != NOTHING:
            labels.append(label)
        place = int(came[row, place])
    return tuple(reversed(labels))
