"""Parts that the families of networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bauta.errors import UsageError
from bauta.faces.luma import luma

#: Grey levels that become 0 and 1 at a network's input.
_MIDDLE, _SPAN = 127.5, 128.0


class ConvNorm(nn.Module):
    """Convolution, batch norm, activation. Keeps the side at stride 1 with an odd kernel."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        groups: int = 1,
        act: nn.Module | None = None,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        pad = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, pad, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.act = act or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H', W')."""
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out

    def fold(self) -> None:
        """Merge the batch norm into the convolution, for inference only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class SqueezeExcite(nn.Module):
    """Channel attention (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, max(8, channels // reduction), 1)
        self.excite = nn.Conv2d(max(8, channels // reduction), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the channels of (B, C, H, W)."""
        pooled = x.mean(dim=(2, 3), keepdim=True)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))))
        return x * gate


class FaceNetwork(nn.Module):
    """Base of the trainable networks: RGB 0-255 in, an embedding of unit length out.

    Args:
        grey: look at the luma alone.

    """

    def __init__(self, *, grey: bool = False) -> None:
        super().__init__()
        self.grey = grey

    def body(self, x: Tensor) -> Tensor:
        """Map normalised (B, 3 or 1, H, W) to raw embeddings (B, D)."""
        raise NotImplementedError

    def raw(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB 0-255 to embeddings (B, D) whose length tells the quality."""
        return self.body(self.normalised(x))

    def normalised(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB 0-255 to what :meth:`body` takes."""
        if self.grey:
            x = luma(x)
        return (x - _MIDDLE) / _SPAN

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB 0-255 to (B, D) embeddings of unit length."""
        return F.normalize(self.raw(x).float())

    def start_from(self, network: nn.Module) -> None:
        """Take over the weights of another network, before training.

        Raises:
            UsageError: this family cannot take over anything, or not that network.

        """
        del network
        raise UsageError("this family of networks starts from random weights")

    def features(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) RGB 0-255 to what :attr:`output_layer` makes embeddings of.

        Only of families that can :meth:`start_from` something.
        """
        raise NotImplementedError

    @property
    def output_layer(self) -> nn.Linear:
        """The last layer, of families that can :meth:`start_from` something."""
        raise NotImplementedError

    @property
    def channels(self) -> int:
        """Channels that the body is given."""
        return 1 if self.grey else 3


class DepthwiseHead(nn.Module):
    """Weigh every place of the last map, then map to the embedding (MobileFaceNet's head)."""

    def __init__(self, channels: int, side: int, embedding: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.pool = ConvNorm(channels, channels, side, groups=channels, padding=0)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(channels, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, side, side) to (B, embedding)."""
        out: Tensor = self.output(self.dropout(self.pool(x).flatten(1)))
        return out


def fold_norms(network: nn.Module) -> nn.Module:
    """Merge all batch norms that follow a convolution into it; the network must be in eval mode."""
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.fold()
    return network
