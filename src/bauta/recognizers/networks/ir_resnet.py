"""IR-ResNet: plain residual units with PReLU, as ArcFace-type recognizers use them.

Source: J. Deng et al., "ArcFace", CVPR 2019, arXiv 1801.07698, made narrow and shallow; the batch
norm before each unit is left out, so that all norms fold into convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from bauta.recognizers.networks.blocks import ConvNorm, DepthwiseHead, FaceNetwork, SqueezeExcite


class _Unit(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, squeeze: bool) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3, stride, act=nn.PReLU(outputs))
        self.second = ConvNorm(outputs, outputs, 3)
        self.attend = SqueezeExcite(outputs) if squeeze else nn.Identity()
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else ConvNorm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.attend(self.second(self.first(x))) + self.shortcut(x)
        return out


class IrResNet(FaceNetwork):
    """Map (B, 3, size, size) RGB 0-255 to (B, embedding).

    Args:
        size: side of the crop, a multiple of 16.
        embedding: length of the embedding.
        widths: channels of the stages, each at half the side of the one before.
        units: residual units per stage.
        squeeze: channel attention in every unit.
        dropout: before the last layer, in training.
        grey: look at the luma alone.

    """

    def __init__(
        self,
        *,
        size: int,
        embedding: int,
        widths: Sequence[int] = (32, 64, 128, 256),
        units: Sequence[int] = (1, 2, 3, 2),
        squeeze: bool = False,
        dropout: float = 0.0,
        grey: bool = False,
    ) -> None:
        super().__init__(grey=grey)
        self.stem = ConvNorm(self.channels, widths[0], 3, act=nn.PReLU(widths[0]))
        stages: list[nn.Module] = []
        inputs = widths[0]
        for width, count in zip(widths, units, strict=True):
            for index in range(count):
                stages.append(_Unit(inputs, width, 2 if index == 0 else 1, squeeze))
                inputs = width
        self.stages = nn.Sequential(*stages)
        side = -(-size // 2 ** len(widths))
        self.head = DepthwiseHead(inputs, side, embedding, dropout)

    def body(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.body`."""
        out: Tensor = self.head(self.stages(self.stem(x)))
        return out
