"""Random changes of what a recognizer sees, so that a perturbation survives what it did not see.

Every draw is shared by all faces of a batch, so a face gets the same result alone and in company.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """Geometric diversity: recognizers cut their crops a little differently from what we think.

    Args:
        scale: the crop is enlarged by up to this factor, or shrunk as much.
        rotation: largest rotation, in radians.
        shift: largest shift, as a share of the crop's side.
        flip: probability of mirroring.

    """

    scale: float = 1.2
    rotation: float = 0.15
    shift: float = 0.1
    flip: float = 0.0

    def draw(self, count: int, generator: Generator) -> Tensor:
        """(count, 2, 3) maps of crop coordinates, in units of the crop's side about its centre."""
        u = torch.rand(count, 5, generator=generator)
        scale = torch.exp((2 * u[:, 0] - 1) * math.log(self.scale))
        angle = (2 * u[:, 1] - 1) * self.rotation
        cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
        mirror = torch.where(u[:, 4] < self.flip, -1.0, 1.0)
        shift = (2 * u[:, 2:4] - 1) * self.shift
        rows = [mirror * cos, -sin, shift[:, 0], mirror * sin, cos, shift[:, 1]]
        return torch.stack(rows, dim=1).view(count, 2, 3)


class Transform(ABC):
    """A random differentiable change of crops."""

    @abstractmethod
    def __call__(self, crops: Tensor, views: int, generator: Generator) -> Tensor:
        """Change (B * views, 3, H, W) crops, RGB 0-255, view k of every face alike."""


def per_view(crops: Tensor, views: int) -> Tensor:
    """(B, views, 3, H, W) view of crops."""
    return crops.view(-1, views, *crops.shape[1:])


@dataclass(frozen=True, kw_only=True)
class Blur(Transform):
    """Gaussian blur of a random width on a share of the views.

    Args:
        probability: share of views that are blurred.
        sizes: kernel sizes in crop pixels, odd; sigma follows as OpenCV has it.

    """

    probability: float = 0.5
    sizes: Sequence[int] = (3, 5)

    def __call__(self, crops: Tensor, views: int, generator: Generator) -> Tensor:
        """Blur; see :class:`Transform`."""
        out = []
        for view in per_view(crops, views).unbind(1):
            draw, pick = torch.rand(2, generator=generator).tolist()
            size = self.sizes[int(pick * len(self.sizes))]
            out.append(blur(view, size) if draw < self.probability else view)
        return torch.stack(out, dim=1).flatten(0, 1)


def blur(images: Tensor, size: int) -> Tensor:
    """Gaussian blur of (B, C, H, W) with an odd kernel size, edges repeated."""
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    at = torch.arange(size, device=images.device, dtype=images.dtype) - size // 2
    line = torch.exp(-at.square() / (2 * sigma * sigma))
    line = line / line.sum()
    channels = images.shape[1]
    padded = F.pad(images, [size // 2] * 4, mode="replicate")
    rows = F.conv2d(padded, line.view(1, 1, 1, -1).repeat(channels, 1, 1, 1), groups=channels)
    return F.conv2d(rows, line.view(1, 1, -1, 1).repeat(channels, 1, 1, 1), groups=channels)


@dataclass(frozen=True, kw_only=True)
class Jpeg(Transform):
    """Differentiable JPEG of random quality (Shin and Song 2017, by kornia).

    Args:
        probability: share of views that are compressed.
        quality: lowest and highest quality.

    """

    probability: float = 0.5
    quality: tuple[float, float] = (50.0, 95.0)

    def __call__(self, crops: Tensor, views: int, generator: Generator) -> Tensor:
        """Compress; see :class:`Transform`."""
        from kornia.enhance.jpeg import jpeg_codec_differentiable

        low, high = self.quality
        out = []
        for view in per_view(crops, views).unbind(1):
            draw, where = torch.rand(2, generator=generator).tolist()
            if draw < self.probability:
                quality = view.new_full((view.shape[0],), low + where * (high - low))
                view = 255 * jpeg_codec_differentiable(view.clamp(0, 255) / 255, quality)
            out.append(view)
        return torch.stack(out, dim=1).flatten(0, 1)


@dataclass(frozen=True, kw_only=True)
class Noise(Transform):
    """Gaussian noise.

    Args:
        deviation: standard deviation in grey levels.

    """

    deviation: float = 4.0

    def __call__(self, crops: Tensor, views: int, generator: Generator) -> Tensor:
        """Add noise; see :class:`Transform`."""
        shape = (1, views, *crops.shape[1:])
        noise = torch.randn(shape, generator=generator).to(crops) * self.deviation
        return (per_view(crops, views) + noise).flatten(0, 1)


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """All random changes of one step.

    Args:
        jitter: geometry of the crops, or None.
        transforms: changes of the crops' pixels, in order.
        ghosts: how far the networks are changed as well, see :mod:`bauta.engine.ghosts`; 0: not.
        dropout: share of what the networks' convolutions read that is dropped; 0: none.

    """

    jitter: Jitter | None = Jitter()
    transforms: Sequence[Transform] = (Blur(),)
    ghosts: float = 0.1
    dropout: float = 0.0


#: Crops exactly as recognizers cut them, and the recognizers themselves.
NONE = Diversity(jitter=None, transforms=(), ghosts=0.0)
