"""Features of one utterance by ESPnet's front-end, in memory linear in its length.

ESPnet masks padding by a matrix of frames x frames: 11 GB for ten minutes of speech. One utterance
has no padding, so its front-end runs here without that mask, step by step as ESPnet runs it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from espnet_ee.host.compat import DefaultFrontend, GlobalMVN

PIECE_FRAMES = 2000  # 20 s: a mask of 4 MB


def extract_alone(frontend: Any, speech: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """As ``frontend(speech, lengths)``: ``(1, N)`` samples to ``(1, T, F)`` and ``(1,)`` frames."""
    if not isinstance(frontend, DefaultFrontend) or _enhances(frontend) or frontend.stft is None:
        return frontend(speech, lengths)
    spectrum, frames = frontend.stft(speech, lengths)  # (1, T, bins, 2)
    features, _ = frontend.logmel(spectrum.square().sum(dim=-1))
    return features, frames


def normalise(normalize: Any, features: Tensor, lengths: Tensor) -> Tensor:
    """As ``normalize(features, lengths)`` on ``(B, T, F)``; frame-wise statistics go in pieces."""
    if not isinstance(normalize, GlobalMVN):
        return normalize(features, lengths)[0]
    pieces = []
    for start in range(0, features.shape[1], PIECE_FRAMES):
        piece = features[:, start : start + PIECE_FRAMES]
        # make_pad_mask wants one full row; no row at all would be cut to length 0.
        inside = (lengths - start).clamp(0, piece.shape[1]).to(piece.device)
        real = torch.arange(piece.shape[1], device=piece.device) < inside[:, None]
        whole = torch.full_like(lengths, piece.shape[1])
        pieces.append(normalize(piece.clone(), whole)[0].masked_fill(~real[:, :, None], 0.0))
    return torch.cat(pieces, dim=1)


def _enhances(frontend: Any) -> bool:
    """Whether a dereverberation or beamforming stage is switched on."""
    stage = frontend.frontend
    return stage is not None and bool(stage.use_wpe or stage.use_beamformer)
