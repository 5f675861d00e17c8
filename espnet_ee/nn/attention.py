"""Self-attention through ``scaled_dot_product_attention``, in memory linear in the length."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from espnet_ee.nn.packed import Packable, PackedLinear, project

# Query frames per score matrix: 20 s behind a 4x stem, so that common utterances take one.
QUERY_CHUNK = 512
# Frames up to which projected positions are kept: 40 s behind a 4x stem.
REMEMBERED_FRAMES = 1024


class SelfAttention(nn.Module, Packable):
    """Multi-head self-attention without position terms.

    Args:
        width: ``D``, a multiple of ``heads``.
        heads: ``H``.
        dropout_rate: On attention weights, training only.
    """

    def __init__(self, width: int, heads: int, dropout_rate: float) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.dropout_rate = dropout_rate
        self.linear_q = nn.Linear(width, width)
        self.linear_k = nn.Linear(width, width)
        self.linear_v = nn.Linear(width, width)
        self.linear_out = nn.Linear(width, width)
        self._packed: PackedLinear | None = None

    def forward(
        self,
        frames: Tensor,
        distances: Tensor | None,
        padding: Tensor | None,
        onto: Tensor | None = None,
    ) -> Tensor:
        """Attend over real frames.

        Args:
            frames: ``(B, T, D)``.
            distances: Ignored here; ``(2T-1, D)`` in the relative variant.
            padding: ``(B, T)`` bool, true on padding, or None without padding.
            onto: As in ``project``.

        Returns:
            ``(B, T, D)``.
        """
        query, key, value = self._project(frames)
        mask = None if padding is None else ~padding[:, None, None, :]
        return self._join_heads(self._mix(query, key, value, mask), onto)

    def pack(self) -> None:
        """See ``Packable``: queries, keys and values are one product."""
        layers = (self.linear_q, self.linear_k, self.linear_v)
        weight = torch.cat([layer.weight for layer in layers])
        self._packed = PackedLinear(weight, torch.cat([layer.bias for layer in layers]))
        del self.linear_q, self.linear_k, self.linear_v

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        width = self.heads * self.head_width
        return 2 * (4 * frames * width * width + 2 * frames * frames * width)

    def _project(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self._packed is not None:
            parts = self._packed(frames).chunk(3, dim=-1)
        else:
            parts = (self.linear_q(frames), self.linear_k(frames), self.linear_v(frames))
        shape = (*frames.shape[:2], self.heads, self.head_width)
        query, key, value = (part.view(shape).transpose(1, 2) for part in parts)
        return query, key, value  # (B, H, T, D/H)

    def _mix(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout_rate if self.training else 0.0
        return scaled_dot_product_attention(query, key, value, mask, dropout)

    def _join_heads(self, mixed: Tensor, onto: Tensor | None) -> Tensor:
        """``(B, H, T, D/H)`` to ``(B, T, D)``."""
        return project(self.linear_out, mixed.transpose(1, 2).flatten(2), onto)


class RelativeSelfAttention(SelfAttention):
    """Self-attention with Transformer-XL positions, ESPnet's ``rel_selfattn`` of type ``latest``.

    Terms (a) + (c) of arXiv:1901.02860 section 3.3 are the fused attention's own product; terms
    (b) + (d) enter as its additive mask. Queries go in chunks, each with the distances it can see:
    long audio costs memory in proportion to its length, not to its square.
    """

    def __init__(self, width: int, heads: int, dropout_rate: float) -> None:
        super().__init__(width, heads, dropout_rate)
        self.linear_pos: nn.Linear | RememberedPositions = nn.Linear(width, width, bias=False)
        self.pos_bias_u = nn.Parameter(torch.empty(heads, self.head_width))
        self.pos_bias_v = nn.Parameter(torch.empty(heads, self.head_width))
        nn.init.xavier_uniform_(self.pos_bias_u)
        nn.init.xavier_uniform_(self.pos_bias_v)
        self._between_biases: Tensor | None = None  # (H, 1, D/H); packed queries hold the first

    def forward(
        self,
        frames: Tensor,
        distances: Tensor | None,
        padding: Tensor | None,
        onto: Tensor | None = None,
    ) -> Tensor:
        """As the base class, with ``distances`` ``(2T-1, D)`` required."""
        assert distances is not None
        query, key, value = self._project(frames)
        position = self.linear_pos(distances).view(-1, self.heads, self.head_width)
        position = position.permute(1, 2, 0)  # (H, D/H, 2T-1)
        to_content, to_position = self._with_biases(query)
        mixed = []
        for start, end in query_chunks(frames.shape[1]):
            bias = shift_to_keys(to_position[:, :, start:end] @ visible(position, start, end))
            if padding is not None:
                bias = bias.masked_fill(padding[:, None, None, :], -torch.inf)
            mixed.append(self._mix(to_content[:, :, start:end], key, value, bias))
        return self._join_heads(torch.cat(mixed, dim=2) if len(mixed) > 1 else mixed[0], onto)

    def _with_biases(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, H, T, D/H)`` queries to content and to positions, the latter scaled."""
        if self._between_biases is not None:
            return query, query + self._between_biases
        to_content = query + self.pos_bias_u[:, None]
        return to_content, (query + self.pos_bias_v[:, None]) * self._scale

    @property
    def _scale(self) -> float:
        return 1.0 / math.sqrt(self.head_width)

    def pack(self) -> None:
        """See ``Packable``: positions are projected once; they hold the scale, queries a bias."""
        assert isinstance(self.linear_pos, nn.Linear)
        with torch.no_grad():
            self.linear_q.bias.add_(self.pos_bias_u.flatten())
            self._between_biases = (self.pos_bias_v - self.pos_bias_u)[:, None].detach()
            self.linear_pos = RememberedPositions(self._scale * self.linear_pos.weight)
        super().pack()

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` frames (1 MAC = 2 FLOPs)."""
        width = self.heads * self.head_width
        positional = (2 * frames - 1) * width * width
        for start, end in query_chunks(frames):
            positional += (end - start) * (frames + end - start - 1) * width
        return super().flops(frames) + 2 * positional


class RememberedPositions(nn.Module):
    """A projection of position embeddings that no weight changes any more: the longest is kept.

    Args:
        weight: ``(D, D)`` of the projection, on the CPU.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self._product = PackedLinear(weight, None)
        self._longest = weight.new_empty(0, len(weight))

    def forward(self, distances: Tensor) -> Tensor:
        """``(2T-1, D)`` embeddings of the distances ``T-1 .. -(T-1)`` to ``(2T-1, D)``."""
        rows = len(distances)
        if rows > 2 * REMEMBERED_FRAMES:
            return self._product(distances)  # type: ignore[no-any-return]
        if rows > len(self._longest):
            self._longest = self._product(distances)
        edge = (len(self._longest) - rows) // 2
        return self._longest[edge : edge + rows]


def query_chunks(frames: int) -> list[tuple[int, int]]:
    """Ranges ``[start, end)`` of query frames that are attended from together."""
    starts = range(0, frames, QUERY_CHUNK)
    return [(start, min(start + QUERY_CHUNK, frames)) for start in starts]


def visible(position: Tensor, start: int, end: int) -> Tensor:
    """The distances between queries ``start..end-1`` and any key.

    Args:
        position: ``(H, D/H, 2T-1)`` for the distances ``T-1 .. -(T-1)``.
        start: First query frame.
        end: One past the last query frame; ``n = end - start``.

    Returns:
        ``(H, D/H, T+n-1)`` for the distances ``end-1 .. start-(T-1)``.
    """
    frames = (position.shape[-1] + 1) // 2
    return position[..., frames - end : 2 * frames - 1 - start]


def shift_to_keys(by_distance: Tensor) -> Tensor:
    """Turn scores by distance into scores by key, without a copy.

    The columns are the distances ``end-1 .. start-(T-1)`` of ``n`` queries: query ``i`` of the
    chunk finds key ``s`` in column ``n-1-i+s``. The element ``(i, s)`` therefore lies
    ``i * (T+n-2) + n-1 + s`` behind the start of its matrix: a strided view.

    Args:
        by_distance: ``(B, H, n, T+n-1)``.

    Returns:
        ``(B, H, n, T)`` view.
    """
    batch, heads, queries, columns = by_distance.shape
    by_distance = by_distance.contiguous()
    matrix = queries * columns
    return by_distance.as_strided(
        (batch, heads, queries, columns - queries + 1),
        (heads * matrix, matrix, columns - 1, 1),
        by_distance.storage_offset() + queries - 1,
    )
