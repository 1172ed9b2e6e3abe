"""MobileFaceNet to be trained: inverted residuals of depthwise convolutions, with PReLU.

Source: S. Chen et al., "MobileFaceNets", CCBR 2018, arXiv 1804.07573, table 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bauta.errors import UsageError
from bauta.recognizers.networks.blocks import ConvNorm, DepthwiseHead, FaceNetwork, fold_norms
from bauta.recognizers.networks.onnx_graph import OnnxGraph

#: The paper's bottlenecks: expansion, channels, repeats, stride of the first.
BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.widen = ConvNorm(inputs, hidden, act=nn.PReLU(hidden))
        self.depthwise = ConvNorm(hidden, hidden, 3, stride, groups=hidden, act=nn.PReLU(hidden))
        self.narrow = ConvNorm(hidden, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.narrow(self.depthwise(self.widen(x)))
        return out + x if self.residual else out


class TrainableMobileFaceNet(FaceNetwork):
    """Map (B, 3, size, size) RGB 0-255 to (B, embedding).

    Args:
        size: side of the crop, a multiple of 16.
        embedding: length of the embedding.
        stem: channels of the first layers.
        bottlenecks: expansion, channels, repeats and first stride of each stage.
        last: channels before the head.
        dropout: before the last layer, in training.
        grey: look at the luma alone.

    """

    def __init__(
        self,
        *,
        size: int,
        embedding: int,
        stem: int = 64,
        bottlenecks: Sequence[Sequence[int]] = BOTTLENECKS,
        last: int = 512,
        dropout: float = 0.0,
        grey: bool = False,
    ) -> None:
        super().__init__(grey=grey)
        layers: list[nn.Module] = [
            ConvNorm(self.channels, stem, 3, 2, act=nn.PReLU(stem)),
            ConvNorm(stem, stem, 3, groups=stem, act=nn.PReLU(stem)),
        ]
        inputs, side = stem, -(-size // 2)
        for expansion, width, repeats, stride in bottlenecks:
            for index in range(repeats):
                layers.append(_Bottleneck(inputs, width, expansion, stride if index == 0 else 1))
                inputs = width
            side = -(-side // stride)
        layers.append(ConvNorm(inputs, last, act=nn.PReLU(last)))
        self.layers = nn.Sequential(*layers)
        self.head = DepthwiseHead(last, side, embedding, dropout)

    def body(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.body`."""
        out: Tensor = self.head(self.layers(x))
        return out

    def features(self, x: Tensor) -> Tensor:
        """See :meth:`FaceNetwork.features`."""
        out: Tensor = self.head.pool(self.layers(self.normalised(x))).flatten(1)
        return out

    @property
    def output_layer(self) -> nn.Linear:
        """See :meth:`FaceNetwork.output_layer`."""
        return self.head.output

    @torch.no_grad()
    def start_from(self, network: nn.Module) -> None:
        """See :meth:`FaceNetwork.start_from`: an ONNX file of this layout, but for the last layer.

        Such files have their batch norms folded, so they are folded here as well.
        """
        fold_norms(self.eval())
        mine = [m for m in self.modules() if isinstance(m, nn.Conv2d | nn.PReLU)]
        theirs = network.weights(("Conv", "PRelu")) if isinstance(network, OnnxGraph) else []
        for module, values in zip(mine, theirs, strict=False):
            for own, other in zip(module.parameters(), values, strict=False):
                if own.numel() != other.numel():
                    raise UsageError("family mobilefacenet cannot start from another layout")
                own.copy_(other.view_as(own))
        if len(theirs) < len(mine):
            raise UsageError("family mobilefacenet can only start from an ONNX file of its layout")
