"""The networks of inversion: a U-Net that draws faces, and a critic that tells them from real ones.

Sources: O. Ronneberger et al., MICCAI 2015; P. Isola et al., "Image-to-Image Translation with
Conditional Adversarial Networks", CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Channels of the levels that papers attack with.
WIDTHS = (64, 128, 256, 512, 1024)


def _twice(inputs: int, outputs: int) -> nn.Sequential:
    """Two convolutions."""
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [
            nn.Conv2d(width, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.1, inplace=True),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Map (B, channels, H, W) of any size to (B, 3, size, size) RGB 0-255.

    Args:
        channels: of what is inverted.
        size: side of the faces that are drawn, a multiple of 16.
        widths: channels of the levels.

    """

    def __init__(self, channels: int, size: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.size = size
        self.down = nn.ModuleList()
        inputs = channels
        for width in widths:
            self.down.append(_twice(inputs, width))
            inputs = width
        self.up = nn.ModuleList()
        self.join = nn.ModuleList()
        for width in reversed(widths[:-1]):
            self.up.append(nn.ConvTranspose2d(inputs, width, 2, stride=2))
            self.join.append(_twice(2 * width, width))
            inputs = width
        self.draw = nn.Conv2d(inputs, 3, 1)

    def forward(self, shown: Tensor) -> Tensor:
        """See the class."""
        x = shown
        if x.shape[-1] != self.size:
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        levels: list[Tensor] = []
        for index, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if index else x)
            levels.append(x)
        for up, join, level in zip(self.up, self.join, reversed(levels[:-1]), strict=True):
            x = join(torch.cat([up(x), level], dim=1))
        out: Tensor = 255 * torch.sigmoid(self.draw(x).float())
        return out


class Critic(nn.Module):
    """Map what is inverted, and a face, to logits of patches: real or drawn."""

    def __init__(self, channels: int, width: int = 48) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = channels + 3
        for index in range(3):
            outputs = width << index
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
            inputs = outputs
        self.layers = nn.Sequential(*layers, nn.Conv2d(inputs, 1, 3, padding=1))

    def forward(self, shown: Tensor, faces: Tensor) -> Tensor:
        """See the class."""
        if shown.shape[-1] != faces.shape[-1]:
            shown = F.interpolate(shown, faces.shape[-2:], mode="nearest")
        out: Tensor = self.layers(torch.cat([shown, faces / 127.5 - 1], dim=1))
        return out
