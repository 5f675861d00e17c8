"""What all our encoders share at ESPnet's boundary."""

from __future__ import annotations

from torch import Tensor

from espnet_ee.exits import LayeredEncoder, Walk
from espnet_ee.host.compat import AbsEncoder


class EarlyExitEncoder(LayeredEncoder, AbsEncoder):
    """An ESPnet encoder made of a stem, blocks and exits.

    Attributes:
        exit_layers: 1-based, increasing, the last block included.
        interctc_use_conditioning: Read by ESPnet's model; exits are never fed back here.
    """

    interctc_use_conditioning = False

    @property
    def interctc_layer_idx(self) -> list[int]:
        """ESPnet's name for the exits but the last, which is its ordinary output."""
        return list(self.exit_layers[:-1])

    def walk(self, features: Tensor, lengths: Tensor) -> Walk:
        """A lazy pass over ``(B, T, F)`` features of ``(B,)`` frames."""
        return Walk(self, features, lengths)

    def forward(
        self,
        xs_pad: Tensor,
        ilens: Tensor,
        prev_states: Tensor | None = None,
    ) -> tuple[Tensor | tuple[Tensor, list[tuple[int, Tensor]]], Tensor, None]:
        """Run every block, in ESPnet's InterCTC return convention.

        Args:
            xs_pad: ``(B, T, F)`` features.
            ilens: ``(B,)`` real frames.
            prev_states: Unused, part of ESPnet's interface.

        Returns:
            ``((last, [(layer, hidden), ...]), lengths, None)``; without exits below the last one
            ``(last, lengths, None)``. Hidden states are ``(B, T', D)``.
        """
        exits = list(self.walk(xs_pad, ilens))
        lengths = exits[-1].lengths
        longest = int(lengths.max())  # ESPnet's decoders want no frame more
        *below, (_, last) = [(exit.layer, exit.hidden[:, :longest]) for exit in exits]
        return ((last, below) if below else last), lengths, None
