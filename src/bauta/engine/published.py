"""Input transformations of published transfer attacks, for baselines and for the curious."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from bauta.engine.transforms import Transform, per_view


@dataclass(frozen=True, kw_only=True)
class ResizePad(Transform):
    """Shrink to a random size and pad at random (Xie et al., DI-FGSM, CVPR 2019).

    Args:
        probability: share of views that are changed.
        smallest: smallest size, as a share of the crop's side.

    """

    probability: float = 0.5
    smallest: float = 0.85

    def __call__(self, crops: Tensor, views: int, generator: Generator) -> Tensor:
        """Resize and pad; see :class:`Transform`."""
        side = crops.shape[-1]
        out = []
        for view in per_view(crops, views).unbind(1):
            draw, size, x, y = torch.rand(4, generator=generator).tolist()
            if draw < self.probability:
                inner = round(side * (self.smallest + size * (1 - self.smallest)))
                left, top = int(x * (side - inner + 1)), int(y * (side - inner + 1))
                view = F.interpolate(view, (inner, inner), mode="bilinear", align_corners=False)
                view = F.pad(view, [left, side - inner - left, top, side - inner - top])
            out.append(view)
        return torch.stack(out, dim=1).flatten(0, 1)


@dataclass(frozen=True, kw_only=True)
class Scales(Transform):
    """View i is divided by 2^i, i from 0 to ``copies`` - 1 (Lin et al., SI-FGSM, ICLR 2020).

    Args:
        copies: how many scales there are; views beyond them begin anew.

    """

    copies: int = 5

    def __call__(self, crops: Tensor, views: int, generator: Generator) -> Tensor:
        """Scale; see :class:`Transform`."""
        del generator
        factors = 0.5 ** (torch.arange(views, device=crops.device) % self.copies)
        return (per_view(crops, views) * factors.to(crops).view(1, -1, 1, 1, 1)).flatten(0, 1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Admix(Transform):
    """Add a little of another person's face to each view (Wang et al., Admix, ICCV 2021).

    Args:
        others: (K, 3, H, W) faces of other people, RGB 0-255, cut about as recognizers cut them.
        share: how much of the other face is added.

    """

    others: Tensor = field(repr=False)
    share: float = 0.2

    def __call__(self, crops: Tensor, views: int, generator: Generator) -> Tensor:
        """Mix; see :class:`Transform`."""
        which = torch.randint(len(self.others), (views,), generator=generator)
        faces = F.interpolate(self.others[which].to(crops), crops.shape[-2:], mode="bilinear")
        return (per_view(crops, views) + self.share * faces[None]).flatten(0, 1)


@dataclass(frozen=True, kw_only=True)
class Spectrum(Transform):
    """Noise, then random gains of all frequencies (Long et al., SSA, ECCV 2022).

    Args:
        gain: largest deviation of a gain from 1.
        noise: standard deviation of the noise, in grey levels.

    """

    gain: float = 0.5
    noise: float = 16.0

    def __call__(self, crops: Tensor, views: int, generator: Generator) -> Tensor:
        """Change the spectrum; see :class:`Transform`."""
        shape = (1, views, *crops.shape[1:])
        noise = self.noise * torch.randn(shape, generator=generator).to(crops)
        gains = 1 + self.gain * (2 * torch.rand(shape, generator=generator).to(crops) - 1)
        cosines = _cosines(crops.shape[-1]).to(crops)
        spectrum = cosines @ (per_view(crops, views) + noise) @ cosines.T
        return (cosines.T @ (spectrum * gains) @ cosines).flatten(0, 1)


@lru_cache(maxsize=8)
def _cosines(size: int) -> Tensor:
    """Orthonormal DCT-II as a (size, size) matrix."""
    k, i = torch.arange(size)[:, None], torch.arange(size)[None]
    matrix = torch.cos(math.pi * (2 * i + 1) * k / (2 * size)) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix
