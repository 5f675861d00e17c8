"""What all our encoders share at ESPnet's boundary."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from espnet_ee.errors import ConfigError
from espnet_ee.exits import LayeredEncoder
from espnet_ee.host.compat import AbsEncoder
from espnet_ee.walk import Batch, Walk


class EarlyExitEncoder(LayeredEncoder, AbsEncoder):
    """An ESPnet encoder made of a stem, blocks and exits.

    Attributes:
        exit_layers: 1-based, increasing, the last block included.
        interctc_use_conditioning: Read by ESPnet's model; exits are never fed back here.
        reads_samples: Whether its features are the waveform itself, ``(B, N)``; its "feature
            frames" then are samples.
        drop_rates: Of each block, the probability that a training step leaves it out (LayerDrop).
    """

    interctc_use_conditioning = False
    reads_samples = False
    drop_rates: Sequence[float] = ()

    @property
    def may_skip_parameters(self) -> bool:
        """Whether a training step may leave parameters without a gradient (see DDP)."""
        return any(rate > 0.0 for rate in self.drop_rates)

    def drops(self, layer: int) -> bool:
        """Draw whether this pass leaves out block ``layer``, counted from 1."""
        rate = self.drop_rates[layer - 1] if self.training else 0.0
        return rate > 0.0 and torch.rand(1).item() < rate

    @abstractmethod
    def layer_modules(self, layer: int) -> Sequence[nn.Module]:
        """What only a pass that reaches block ``layer`` runs; for counting its parameters."""

    def load_pretrained(self) -> None:
        """Read pre-trained weights, where the configuration names some; called before training."""

    @property
    def interctc_layer_idx(self) -> list[int]:
        """ESPnet's name for the exits but the last, which is its ordinary output."""
        return list(self.exit_layers[:-1])

    def walk(self, batches: Iterable[Batch]) -> Walk:
        """A lazy pass over batches of ``(B, T, F)`` features and their ``(B,)`` frames."""
        return Walk(self, batches)

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
        exits = list(self.walk([(xs_pad, ilens)]))
        lengths = exits[-1].lengths
        longest = int(lengths.max())  # ESPnet's decoders want no frame more
        *below, (_, last) = [(exit.layer, exit.hidden[:, :longest]) for exit in exits]
        return ((last, below) if below else last), lengths, None


def check_waveform_input(encoder: EarlyExitEncoder, **parts: Any) -> None:
    """Refuse parts that would stand between the waveform and an encoder that reads it.

    Raises:
        ConfigError: One is configured.
    """
    present = [name for name, part in parts.items() if part is not None]
    if encoder.reads_samples and present:
        raise ConfigError(
            f"{type(encoder).__name__} reads the waveform itself.",
            got=", ".join(f"{name}: {type(parts[name]).__name__}" for name in present),
            fix="input_size: 1, " + ", ".join(f"{name}: null" for name in present),
        )
