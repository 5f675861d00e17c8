"""One exit's words under those of the reference, for reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Cell = str | int | None
"""What stands at a reference word: 0 the same word, None nothing, else another word."""


def aligned_words(reference: Sequence[str], hypothesis: Sequence[str]) -> dict[str, Any]:
    """Align by least edits.

    Returns:
        ``words``: a ``Cell`` per reference word. ``more``: inserted words, joined by spaces, by
        the number of reference words before them; absent if there are none.
    """
    from rapidfuzz.distance import Levenshtein

    cells: list[Cell] = [0] * len(reference)
    more: dict[int, list[str]] = {}
    for edit in Levenshtein.editops(reference, hypothesis):
        if edit.tag == "insert":
            more.setdefault(edit.src_pos, []).append(hypothesis[edit.dest_pos])
        else:
            cells[edit.src_pos] = None if edit.tag == "delete" else hypothesis[edit.dest_pos]
    inserted = {str(place): " ".join(words) for place, words in more.items()}
    return {"words": cells, "more": inserted} if inserted else {"words": cells}
