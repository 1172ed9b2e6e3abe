"""Budgets: how far a photo may be changed. They project perturbations onto what is allowed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces.frame import Canvas
from bauta.faces.geometry import warp

#: Weights of luma in RGB (ITU-R BT.601).
_LUMA = (0.299, 0.587, 0.114)


class Budget(ABC):
    """How far pixels may be changed, in grey levels (0-255)."""

    #: Largest change of any sample.
    epsilon: float

    @abstractmethod
    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Nearest allowed perturbation to (B, 3, S, S) ``delta``, given :meth:`limits`."""

    def limits(self, canvas: Canvas, faces: Tensor) -> Tensor:
        """Largest change of each frame pixel, in grey levels.

        Args:
            canvas: B faces.
            faces: (B, 1, S, S) where the faces themselves are in their frames, 0 to 1.

        Returns:
            (B, 1, S, S).

        """
        return torch.full_like(faces, self.epsilon)


def _check(epsilon: float) -> None:
    if not 0 < epsilon <= 255:
        raise UsageError(f"epsilon must be above 0 and at most 255 grey levels, got {epsilon}")


@dataclass(frozen=True)
class Linf(Budget):
    """Every sample within ``epsilon`` grey levels of the original."""

    epsilon: float = 8.0

    def __post_init__(self) -> None:
        """Check the range."""
        _check(self.epsilon)

    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Clip to the limits."""
        return delta.clamp(-limits, limits)


@dataclass(frozen=True)
class L2(Budget):
    """Root mean square change over a face's frame within ``rms``, any sample within ``epsilon``."""

    rms: float = 4.0
    epsilon: float = 32.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.epsilon)
        _check(self.rms)

    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Clip, then shrink what is left to the allowed mean square."""
        clipped = delta.clamp(-limits, limits)
        size = clipped.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return clipped * (self.rms / size.clamp_min(1e-12)).clamp_max(1)


@dataclass(frozen=True)
class Perceptual(Budget):
    """L-infinity whose limit follows what the eye notices: less on smooth skin, all on texture.

    The limit of a pixel is ``epsilon`` times its visibility threshold, a sum of luminance
    adaptation and of masking by local contrast (after Chou and Li, "A perceptually tuned subband
    image coder", TCSVT 1995), scaled so that ``busy`` grey levels of local deviation free it all.

    Args:
        epsilon: limit on texture.
        floor: share of it that is left on perfectly smooth skin.
        outside: the same for smooth areas that are not the face, such as a plain wall, on which
            ripples show most and protect least.
        busy: local standard deviation, in grey levels, from which the limit is ``epsilon``.

    """

    epsilon: float = 8.0
    floor: float = 0.6
    outside: float = 0.1
    busy: float = 12.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.epsilon)
        for share in (self.floor, self.outside):
            if not 0 <= share <= 1:
                raise UsageError(f"floor and outside must be between 0 and 1, got {share}")

    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Clip to the limits."""
        return delta.clamp(-limits, limits)

    def limits(self, canvas: Canvas, faces: Tensor) -> Tensor:
        """Largest change of each frame pixel; see :meth:`Budget.limits`."""
        size = faces.shape[-1]
        maps = torch.linalg.inv(_square(canvas.canvas_to_frame(size)))[:, :2]
        luma = (canvas.images * canvas.images.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(
            1, keepdim=True
        )
        mean = _box(luma)
        deviation = (_box(luma.square()) - mean.square()).clamp_min(0).sqrt()
        # Differences are seen least in the dark and in the very bright.
        adaptation = 1 + 0.5 * ((mean - 127.5).abs() / 127.5).square()
        both = warp(torch.cat([deviation / self.busy, adaptation], dim=1), maps, (size, size))
        floor = self.outside + (self.floor - self.outside) * faces
        share = (floor + (1 - floor) * both[:, :1]) * both[:, 1:]
        return self.epsilon * share.clamp(0, 1)


def _box(images: Tensor, size: int = 5) -> Tensor:
    return F.avg_pool2d(images, size, 1, size // 2, count_include_pad=False)


def _square(affines: Tensor) -> Tensor:
    """(B, 2, 3) affine maps as (B, 3, 3) matrices."""
    last = affines.new_tensor([0.0, 0.0, 1.0]).expand(affines.shape[0], 1, 3)
    return torch.cat([affines, last], dim=1)
