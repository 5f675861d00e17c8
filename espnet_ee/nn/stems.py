"""Stems: features ``(B, T, F)`` to frames ``(B, T', D)`` at a quarter or an eighth of the rate.

Time is convolved without padding in every stem, so each output frame that counts has seen real
input only: lengths are exact and padding cannot leak from one utterance into another.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from espnet_ee.nn.packed import Packable, PackedConv2d, PackedLinear
from espnet_ee.nn.positions import Positions

KERNEL, STRIDE = 3, 2
PIECE = 64  # output frames: quickest of 12 to 96 on 1, 5 and 20 s of audio, one core


def halve(size: int) -> int:
    """Outputs of one unpadded convolution of kernel 3 and stride 2."""
    return (size - KERNEL) // STRIDE + 1


class Stem(nn.Module, ABC):
    """What runs before block 1.

    Attributes:
        halvings: How many times the frame rate is halved.
        out: Last linear layer and ``Positions`` (ESPnet's ``embed.out``).
    """

    halvings: int
    out: nn.Sequential

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """``(B,)`` input frames to ``(B,)`` output frames, exact; 0 where too short."""
        for _ in range(self.halvings):
            lengths = (lengths - KERNEL).div(STRIDE, rounding_mode="floor") + 1
        return lengths.clamp(min=0)

    @property
    def hop(self) -> int:
        """Input frames from one output frame to the next."""
        hop: int = STRIDE**self.halvings
        return hop

    @property
    def min_frames(self) -> int:
        """The fewest input frames that give one output frame."""
        frames = 1
        for _ in range(self.halvings):
            frames = STRIDE * (frames - 1) + KERNEL
        return frames

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Read both spellings of ESPnet: 202511 says ``out.0``, 202611 ``out``."""
        for part in ("weight", "bias"):
            if f"{prefix}out.{part}" in state_dict:
                state_dict[f"{prefix}out.0.{part}"] = state_dict.pop(f"{prefix}out.{part}")
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """``(B, T, F)`` to ``(B, T', D)``, scaled and position-encoded."""

    @abstractmethod
    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` input frames (1 MAC = 2 FLOPs)."""

    @property
    def positions(self) -> Positions:
        """The position encoding that ends every stem."""
        last = self.out[-1]
        assert isinstance(last, Positions)
        return last


class ImageStem(Stem):
    """A stem that convolves the features as an image of one channel.

    Attributes:
        conv: ``(B, 1, T, F)`` to ``(B, C, T', F')`` in channels-last layout.
    """

    conv: nn.Sequential

    def forward(self, features: Tensor) -> Tensor:
        """``(B, T, F)`` to ``(B, T', D)``."""
        image = features.unsqueeze(1).contiguous(memory_format=torch.channels_last)
        if torch.is_grad_enabled() or image.device.type != "cpu":
            maps = self.conv(image)
        else:
            pieces = self.pieces(features.shape[1])
            maps = torch.cat([self.conv(image[:, :, a:b]) for a, b in pieces], dim=2)
        return self.out(self._by_frame(maps))  # type: ignore[no-any-return]

    def _by_frame(self, maps: Tensor) -> Tensor:
        """``(B, C, T', F')`` to ``(B, T', C * F')``, as ESPnet's weights want it."""
        return maps.transpose(1, 2).flatten(2)

    def pieces(self, frames: int) -> list[tuple[int, int]]:
        """Ranges of input frames that inference on a CPU convolves together.

        Whole utterances would take ten megabytes of maps per five seconds of audio: fresh memory
        pages then cost more time than the frames that two pieces share.
        """
        hop, shared = self.hop, self.min_frames - self.hop
        outputs = (frames - shared) // hop
        ends = [min(start + PIECE, outputs) for start in range(0, outputs, PIECE)]
        starts = range(0, outputs, PIECE)
        return [(hop * a, hop * b + shared) for a, b in zip(starts, ends, strict=True)]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` input frames (1 MAC = 2 FLOPs)."""
        macs = sum(self.map_macs(end - start) for start, end in self.pieces(frames))
        frames_out = int(self.output_lengths(torch.tensor(frames)))
        last = self.out[0]
        assert isinstance(last, nn.Linear | PackedLinear)
        return 2 * (macs + frames_out * last.in_features * last.out_features)

    @abstractmethod
    def map_macs(self, frames: int) -> int:
        """Multiply-adds of the convolutions of one piece of ``frames`` input frames."""


class Conv2dStem(ImageStem, Packable):
    """ESPnet's ``conv2d``: two full 3 x 3 convolutions, 4x.

    Its weights load, but it takes about a third of all FLOPs.
    """

    halvings = 2

    def __init__(self, features: int, width: int, positions: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, width, KERNEL, STRIDE),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, KERNEL, STRIDE),
            nn.ReLU(inplace=True),
        )
        _channels_last(self.conv)
        self.width, self.bins = width, [halve(features), halve(halve(features))]
        self.out = nn.Sequential(nn.Linear(width * self.bins[1], width), positions)
        self._channels_first = True

    def pack(self) -> None:
        """See ``Packable``: as products, both convolutions keep the layout that the other wants."""
        convs = [layer for layer in self.conv if isinstance(layer, nn.Conv2d)]
        self.conv = nn.Sequential(*map(PackedConv2d, convs))
        last = self.out[0]
        assert isinstance(last, nn.Linear)
        by_channel = last.weight.view(-1, self.width, self.bins[1])  # (D, C, F')
        self.out[0] = PackedLinear(by_channel.transpose(1, 2).flatten(1), last.bias)
        self._channels_first = False

    def _by_frame(self, maps: Tensor) -> Tensor:
        """Packed, bins go before channels, which is how maps lie in memory: no copy."""
        return (
            super()._by_frame(maps) if self._channels_first else maps.permute(0, 2, 3, 1).flatten(2)
        )

    def map_macs(self, frames: int) -> int:
        """Multiply-adds of the convolutions of one piece of ``frames`` input frames."""
        half, quarter = halve(frames), halve(halve(frames))
        first = half * self.bins[0] * KERNEL**2 * self.width
        return first + quarter * self.bins[1] * KERNEL**2 * self.width**2


class Conv1dStem(Stem):
    """The two Conv1d layers of arXiv:2309.09546, 4x: cheap, blind to small shifts in frequency.

    Unlike the authors' code there is an activation between the layers: without one the
    second convolution adds nothing a single wider one could not do.
    """

    halvings = 2

    def __init__(self, features: int, width: int, positions: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(features, width, KERNEL, STRIDE),
            nn.ReLU(inplace=True),
            nn.Conv1d(width, width, KERNEL, STRIDE),
        )
        self.features, self.width = features, width
        self.out = nn.Sequential(nn.Identity(), positions)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, T, F)`` to ``(B, T', D)``."""
        return self.out(self.conv(features.transpose(1, 2)).transpose(1, 2))  # type: ignore[no-any-return]

    def flops(self, frames: int) -> int:
        """FLOPs for one utterance of ``frames`` input frames (1 MAC = 2 FLOPs)."""
        half, quarter = halve(frames), halve(halve(frames))
        return 2 * KERNEL * (half * self.features * self.width + quarter * self.width**2)


class DepthwiseStem(ImageStem):
    """Depthwise-separable 2-d convolutions, 4x or 8x, as FastConformer (arXiv:2305.05084).

    The first layer is a full convolution from one channel; each further one is depthwise 3 x 3,
    then pointwise.

    Args:
        features: ``F`` input bins.
        width: ``D``.
        positions: Ends the stem.
        channels: Feature maps; a quarter of ``D`` costs a hundredth of a 12-block encoder.
        halvings: 2 for 4x, 3 for 8x.
    """

    def __init__(
        self, features: int, width: int, positions: nn.Module, channels: int, halvings: int
    ) -> None:
        super().__init__()
        self.halvings = halvings
        layers: list[nn.Module] = [nn.Conv2d(1, channels, KERNEL, STRIDE), nn.ReLU(inplace=True)]
        self.bins = [halve(features)]
        for _ in range(halvings - 1):
            layers.append(nn.Conv2d(channels, channels, KERNEL, STRIDE, groups=channels))
            layers += [nn.Conv2d(channels, channels, 1), nn.ReLU(inplace=True)]
            self.bins.append(halve(self.bins[-1]))
        self.conv = nn.Sequential(*layers)
        _channels_last(self.conv)
        self.channels = channels
        self.out = nn.Sequential(nn.Linear(channels * self.bins[-1], width), positions)

    def map_macs(self, frames: int) -> int:
        """Multiply-adds of the convolutions of one piece of ``frames`` input frames."""
        frames = halve(frames)
        macs = frames * self.bins[0] * KERNEL**2 * self.channels
        for bins in self.bins[1:]:
            frames = halve(frames)
            macs += frames * bins * self.channels * (KERNEL**2 + self.channels)
        return macs


def _channels_last(convolutions: nn.Sequential) -> None:
    """Lay weights out as CPUs convolve fastest; a loaded checkpoint keeps the layout."""
    convolutions.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


STEM_NAMES = ("conv2d", "conv1d", "dwconv4", "dwconv8")


def build_stem(name: str, features: int, width: int, positions: nn.Module, channels: int) -> Stem:
    """The stem called ``name``; ``channels`` concerns the depthwise ones only."""
    if name == "conv2d":
        return Conv2dStem(features, width, positions)
    if name == "conv1d":
        return Conv1dStem(features, width, positions)
    halvings = {"dwconv4": 2, "dwconv8": 3}[name]
    return DepthwiseStem(features, width, positions, channels, halvings)
