"""Which utterances are decoded together."""

from __future__ import annotations

from collections.abc import Sequence


def length_sorted_batches(
    lengths: Sequence[float], batch_size: int, max_padded: float
) -> list[list[int]]:
    """Group utterances of similar length, so that little is padding.

    Args:
        lengths: Of each utterance, in any unit.
        batch_size: The most utterances of a batch.
        max_padded: The most a batch may hold, utterances times the longest, in the unit of
            ``lengths``; a longer utterance goes alone.

    Returns:
        Places in ``lengths``, each exactly once, short utterances first.
    """
    batches: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: (lengths[place], place)):
        grown = (len(batches[-1]) + 1) * lengths[place] if batches else 0.0
        if not batches or len(batches[-1]) == batch_size or grown > max_padded:
            batches.append([])
        batches[-1].append(place)
    return batches
