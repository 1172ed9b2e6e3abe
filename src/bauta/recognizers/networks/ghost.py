"""GhostFaceNet: half of every map is made by a cheap convolution of the other half.

Source: K. Han et al., "GhostNet", CVPR 2020, arXiv 1911.11907; M. Alansari et al.,
"GhostFaceNets", IEEE Access 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bauta.recognizers.networks.blocks import ConvNorm, DepthwiseHead, FaceNetwork, SqueezeExcite


class _Ghost(nn.Module):
    """Half of the outputs by a 1 x 1 convolution, the others by a depthwise one of those."""

    def __init__(self, inputs: int, outputs: int, act: bool) -> None:
        super().__init__()
        half = outputs // 2
        self.primary = ConvNorm(inputs, half, act=nn.PReLU(half) if act else None)
        self.cheap = ConvNorm(half, half, 3, groups=half, act=nn.PReLU(half) if act else None)

    def forward(self, x: Tensor) -> Tensor:
        first = self.primary(x)
        return torch.cat([first, self.cheap(first)], dim=1)


class _Unit(nn.Module):
    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.widen = _Ghost(inputs, hidden, act=True)
        self.reduce = ConvNorm(hidden, hidden, 3, stride, groups=hidden) if stride > 1 else None
        self.attend = SqueezeExcite(hidden)
        self.narrow = _Ghost(hidden, outputs, act=False)
        same = stride == 1 and inputs == outputs
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(
                ConvNorm(inputs, inputs, 3, stride, groups=inputs), ConvNorm(inputs, outputs)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.widen(x)
        y = y if self.reduce is None else self.reduce(y)
        out: Tensor = self.narrow(self.attend(y)) + self.shortcut(x)
        return out


class GhostFaceNet(FaceNetwork):
    """Map (B, 3, size, size) RGB 0-255 to (B, embedding).

    Args:
        size: side of the crop, a multiple of 16.
        embedding: length of the embedding.
        widths: channels of the stages, even; the first is the stem's.
        units: units per stage after the stem, each stage at half the side of the one before.
        expansion: hidden channels of a unit per channel of its output.
        dropout: before the last layer, in training.
        grey: look at the luma alone.

    """

    def __init__(
        self,
        *,
        size: int,
        embedding: int,
        widths: Sequence[int] = (32, 48, 96, 160),
        units: Sequence[int] = (2, 4, 3),
        expansion: int = 3,
        dropout: float = 0.0,
        grey: bool = False,
    ) -> None:
        super().__init__(grey=grey)
        self.stem = ConvNorm(self.channels, widths[0], 3, 2, act=nn.PReLU(widths[0]))
        stages: list[nn.Module] = []
        inputs = widths[0]
        for width, count in zip(widths[1:], units, strict=True):
            for index in range(count):
                stages.append(_Unit(inputs, width * expansion, width, 2 if index == 0 else 1))
                inputs = width
        self.stages = nn.Sequential(*stages)
        self.last = ConvNorm(inputs, 512, act=nn.PReLU(512))
        self.head = DepthwiseHead(512, -(-size // 2 ** len(widths)), embedding, dropout)

    def body(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.body`."""
        out: Tensor = self.head(self.last(self.stages(self.stem(x))))
        return out
