"""A decoder or language model under a beam search, its operations counted once per shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from espnet_ee.host.compat import BatchScorerInterface
from espnet_ee.nn.packed import PACKED_FLOPS


def _recurrent_flops(
    sequence: Sequence[int], *weights: Any, out_shape: Any = None, **_named: Any
) -> int:
    """Of one fused recurrent layer: every step multiplies by its matrices; biases are vectors."""
    steps = math.prod(sequence[:-1])
    matrices = [shape for shape in weights[:2] if len(shape) == 2]
    return 2 * steps * sum(math.prod(shape) for shape in matrices)


# torch's counter passes over the fused layers that CPUs use; elsewhere they come as products.
SEARCH_FLOPS = {**PACKED_FLOPS, torch.ops.aten.mkldnn_rnn_layer: _recurrent_flops}


class FlopTable:
    """FLOPs of calls by a key that determines them; torch's counter runs where a key is new.

    The counter goes through Python for every operation, which would double the time of a search.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}
        self.spent = 0  # FLOPs of all calls

    def call(self, key: Hashable, function: Callable[..., Any], *args: Any) -> Any:
        """``function(*args)``, its FLOPs added to ``spent``."""
        if key in self._known:
            result = function(*args)
        else:
            with FlopCounterMode(display=False, custom_mapping=SEARCH_FLOPS) as counter:
                result = function(*args)
            self._known[key] = counter.get_total_flops()
        self.spent += self._known[key]
        return result


class CountedScorer(BatchScorerInterface):
    """Passes everything on to a scorer of ESPnet's search and counts its scoring.

    The operations of a scorer follow from the shapes of the prefixes and of what it reads.

    Args:
        scorer: A decoder or language model, batched or not.
        table: Of all scorers of the search.
        kind: Scorers of the same kind have the same sizes.
    """

    def __init__(self, scorer: Any, table: FlopTable, kind: str) -> None:
        self._scorer, self._table, self._kind = scorer, table, kind

    def init_state(self, x: Tensor) -> Any:
        """As the scorer's."""
        return self._scorer.init_state(x)

    def batch_init_state(self, x: Tensor) -> Any:
        """As the scorer's."""
        return self._scorer.batch_init_state(x)

    def select_state(self, state: Any, i: int, new_id: int | None = None) -> Any:
        """As the scorer's."""
        return self._scorer.select_state(state, i, new_id)

    def final_score(self, state: Any) -> Any:
        """As the scorer's."""
        return self._scorer.final_score(state)

    def score(self, y: Tensor, state: Any, x: Tensor) -> Any:
        """As the scorer's: one prefix ``(L,)`` over ``(T, D)``."""
        return self._table.call((self._kind, y.shape, x.shape), self._scorer.score, y, state, x)

    def batch_score(self, ys: Tensor, states: Any, xs: Tensor) -> Any:
        """As the scorer's: prefixes ``(n, L)`` over ``(n, T, D)``."""
        key = (self._kind, ys.shape, xs.shape)
        return self._table.call(key, self._scorer.batch_score, ys, states, xs)
