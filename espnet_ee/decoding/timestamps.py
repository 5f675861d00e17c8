"""When each token was said, by the exit's own posteriors: CTC forced alignment.

Source: torchaudio's ``forced_align``, the Viterbi path of Graves et al. 2006 for a given text. Of a
greedy text that is the greedy path itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from espnet_ee.decoding.hypothesis import Hypothesis, Speaker, TokenSpan
from espnet_ee.errors import DataError
from espnet_ee.exits import Exit
from espnet_ee.nn.alignment import BLANK


@dataclass(frozen=True)
class TimedSpeaker:
    """Says what ``speak`` says, and when; each text is aligned once, at the exit that was taken."""

    speak: Speaker

    def __call__(self, exit: Exit, log_probs: Tensor) -> list[Hypothesis]:
        """One hypothesis with spans per row of ``(B, T, V)``."""
        said = self.speak(exit, log_probs)
        return [
            replace(one, spans=align(own[:frames], one.tokens))
            for one, own, frames in zip(said, log_probs, exit.lengths.tolist(), strict=True)
        ]


def align(log_probs: Tensor, tokens: Sequence[int]) -> tuple[TokenSpan, ...]:
    """Frames of each token on the likeliest path that spells the text.

    A path needs a frame per token and a blank between equal neighbours. A CTC text always has
    them; one of a decoder may not, and is aligned to frames cut into as many equal parts as it
    takes.

    Args:
        log_probs: ``(T, V)``, blank first.
        tokens: Labels without blanks.

    Returns:
        One span per token, in order, without overlap, inside ``0..T``.

    Raises:
        DataError: The log-probabilities are NaN.
    """
    from torchaudio.functional import forced_align

    if not tokens:
        return ()
    if bool(log_probs.isnan().any()):
        raise DataError("the model's posteriors are NaN.", fix="train or convert it again")
    parts = -(-frames_needed(tokens) // len(log_probs))
    emissions = log_probs.float().repeat_interleave(parts, dim=0)
    targets = torch.tensor([tuple(tokens)], dtype=torch.int64, device=log_probs.device)
    labels, best = forced_align(emissions[None].contiguous(), targets, blank=BLANK)
    return spans_of(labels[0], best[0], parts)


def spans_of(labels: Tensor, log_probs: Tensor, parts: int = 1) -> tuple[TokenSpan, ...]:
    """The tokens that a path spells.

    Args:
        labels: ``(T * parts,)``, the label of each part of a frame.
        log_probs: ``(T * parts,)``, those of the labels.
        parts: Of each frame.
    """
    from torchaudio.functional import merge_tokens

    spans = merge_tokens(labels, log_probs.exp(), blank=BLANK)
    return tuple(TokenSpan(s.token, s.start / parts, s.end / parts, s.score) for s in spans)


def frames_needed(tokens: Sequence[int]) -> int:
    """The fewest frames of a CTC path: a blank stands between equal neighbours."""
    return len(tokens) + sum(a == b for a, b in zip(tokens, tokens[1:], strict=False))
