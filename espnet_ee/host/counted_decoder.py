"""A decoder under a beam search whose operations are counted once per shape."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from espnet_ee.host.compat import BatchScorerInterface
from espnet_ee.nn.packed import PACKED_FLOPS


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
            with FlopCounterMode(display=False, custom_mapping=PACKED_FLOPS) as counter:
                result = function(*args)
            self._known[key] = counter.get_total_flops()
        self.spent += self._known[key]
        return result


class CountedDecoder(BatchScorerInterface):
    """Passes everything on to an ESPnet decoder and counts its scoring.

    A decoder's operations follow from the shapes of the prefixes and of what it reads.

    Args:
        decoder: Batched or not.
        table: Shared by decoders of the same sizes.
    """

    def __init__(self, decoder: Any, table: FlopTable) -> None:
        self._decoder, self._table = decoder, table

    def init_state(self, x: Tensor) -> Any:
        """As the decoder's."""
        return self._decoder.init_state(x)

    def batch_init_state(self, x: Tensor) -> Any:
        """As the decoder's."""
        return self._decoder.batch_init_state(x)

    def select_state(self, state: Any, i: int, new_id: int | None = None) -> Any:
        """As the decoder's."""
        return self._decoder.select_state(state, i, new_id)

    def final_score(self, state: Any) -> Any:
        """As the decoder's."""
        return self._decoder.final_score(state)

    def score(self, y: Tensor, state: Any, x: Tensor) -> Any:
        """As the decoder's: one prefix ``(L,)`` over ``(T, D)``."""
        return self._table.call((y.shape, x.shape), self._decoder.score, y, state, x)

    def batch_score(self, ys: Tensor, states: Any, xs: Tensor) -> Any:
        """As the decoder's: prefixes ``(n, L)`` over ``(n, T, D)``."""
        return self._table.call((ys.shape, xs.shape), self._decoder.batch_score, ys, states, xs)
