"""An Inception network: branches of different reach side by side, as FaceNet uses them.

Source: C. Szegedy et al., "Going deeper with convolutions", CVPR 2015; F. Schroff et al.,
"FaceNet", CVPR 2015. Made small; large kernels are split into two of 3 x 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bauta.recognizers.networks.blocks import ConvNorm, FaceNetwork


def _relu(inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> ConvNorm:
    return ConvNorm(inputs, outputs, kernel, stride, act=nn.ReLU(inplace=True))


class _Mixed(nn.Module):
    """Four branches: 1 x 1, 3 x 3, twice 3 x 3, and pooling; a shortcut keeps gradients short."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        part, narrow = outputs // 4, outputs // 8
        self.stride = stride
        self.point = _relu(inputs, part, 1, stride)
        self.near = nn.Sequential(_relu(inputs, narrow), _relu(narrow, part, 3, stride))
        self.far = nn.Sequential(
            _relu(inputs, narrow), _relu(narrow, narrow, 3), _relu(narrow, part, 3, stride)
        )
        self.pooled = _relu(inputs, part)
        self.same = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.max_pool2d(x, 3, self.stride, 1)
        parts = [self.point(x), self.near(x), self.far(x), self.pooled(pooled)]
        out = torch.cat(parts, dim=1)
        return out + x if self.same else out


class Inception(FaceNetwork):
    """Map (B, 3, size, size) RGB 0-255 to (B, embedding); global average pooling at the end.

    Args:
        size: side of the crop; any, as the end is an average.
        embedding: length of the embedding.
        widths: channels of the stages, multiples of 8, each at half the side of the one before;
            the first is the stem's.
        units: mixed units per stage after the stem.
        dropout: before the last layer, in training.
        grey: look at the luma alone.

    """

    def __init__(
        self,
        *,
        size: int,
        embedding: int,
        widths: Sequence[int] = (32, 96, 192, 384),
        units: Sequence[int] = (2, 4, 3),
        dropout: float = 0.0,
        grey: bool = False,
    ) -> None:
        super().__init__(grey=grey)
        del size
        self.stem = nn.Sequential(
            _relu(self.channels, widths[0], 7, 2),
            nn.MaxPool2d(3, 2, 1),
            _relu(widths[0], widths[0], 3),
        )
        stages: list[nn.Module] = []
        inputs = widths[0]
        for index, (width, count) in enumerate(zip(widths[1:], units, strict=True)):
            for unit in range(count):
                stages.append(_Mixed(inputs, width, 2 if unit == 0 and index > 0 else 1))
                inputs = width
        self.stages = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(inputs, embedding)

    def body(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.body`."""
        pooled = self.stages(self.stem(x)).mean(dim=(2, 3))
        out: Tensor = self.output(self.dropout(pooled))
        return out
