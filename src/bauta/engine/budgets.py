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
from bauta.faces.luma import luma

#: Luma, in grey levels, up to which a face is as good as black, and from which it is lit.
_BLACK, _LIT = 16.0, 48.0


class Budget(ABC):
    """How far pixels may be changed, in grey levels (0-255)."""

    #: The size of a change that is meant; for most budgets the largest of any sample.
    epsilon: float

    @property
    def peak(self) -> float:
        """Largest change of any sample."""
        return self.epsilon

    def step(self, direction: Tensor, limits: Tensor) -> Tensor:
        """Shape of a step along (B, 3, S, S) ``direction``, given :meth:`limits`: its signs."""
        del limits
        return direction.sign()

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
    """A root mean square, weighted by what the eye notices: less on smooth skin, more on texture.

    Each pixel has a share: its visibility threshold, a sum of luminance adaptation and of masking
    by local contrast (after Chou and Li, "A perceptually tuned subband image coder", TCSVT 1995),
    scaled so that ``busy`` grey levels of local deviation make it 1. The change is measured in
    ``epsilon`` times that share: its root mean square over the frame stays within ``rms``, and no
    sample exceeds ``cap``. Unlike a plain limit, which sign steps fill everywhere alike, this
    leaves most of the change to the pixels that matter to the recognizer.

    Args:
        epsilon: the unit, in grey levels; the largest change of a sample is ``cap`` times that.
        rms: root mean square of the change, in units of its share of epsilon.
        cap: largest change, likewise.
        floor: share of perfectly smooth skin; in black shadow it sinks to ``outside``.
        outside: the same for smooth areas that are not the face, such as a plain wall, on which
            ripples show most and protect least.
        busy: local standard deviation, in grey levels, from which the share is 1.

    """

    epsilon: float = 8.0
    rms: float = 0.5
    cap: float = 2.0
    floor: float = 0.6
    outside: float = 0.1
    busy: float = 12.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check(self.epsilon)
        if not 0 < self.rms <= self.cap <= 255:
            raise UsageError(f"rms must be above 0 and at most cap, got {self.rms} and {self.cap}")
        for share in (self.floor, self.outside):
            if not 0 <= share <= 1:
                raise UsageError(f"floor and outside must be between 0 and 1, got {share}")

    @property
    def peak(self) -> float:
        """Largest change of any sample."""
        return self.cap * self.epsilon

    def step(self, direction: Tensor, limits: Tensor) -> Tensor:
        """Square roots of the direction, between its signs and itself, as the limits allow.

        Measured on portraits (docs/results/looks.md): signs spend visibility on pixels that hardly
        matter, and the bare gradient leaves out too many.
        """
        weighted = direction * limits
        roots = weighted.sign() * weighted.abs().sqrt()
        size = roots.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        return roots / size * (self.rms / self.peak) * limits

    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Clip to the limits, then shrink what is left to the allowed mean square."""
        clipped = delta.clamp(-limits, limits)
        units = clipped / limits.clamp_min(1e-6) * self.cap
        size = units.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        return clipped * (self.rms / size.clamp_min(1e-12)).clamp_max(1)

    def limits(self, canvas: Canvas, faces: Tensor) -> Tensor:
        """Largest change of each frame pixel; see :meth:`Budget.limits`."""
        size = faces.shape[-1]
        maps = torch.linalg.inv(_square(canvas.canvas_to_frame(size)))[:, :2]
        light = luma(canvas.images)
        mean = _box(light)
        deviation = (_box(light.square()) - mean.square()).clamp_min(0).sqrt()
        # Differences are seen least in the dark and in the very bright; but in black shadow
        # nothing is seen at all, so that whatever is drawn there is.
        lit = ((mean - _BLACK) / (_LIT - _BLACK)).clamp(0, 1)
        adaptation = 1 + 0.5 * lit * ((mean - 127.5).abs() / 127.5).square()
        seen = torch.cat([deviation / self.busy, adaptation, lit], dim=1)
        texture, adaptation, lit = torch.tensor_split(warp(seen, maps, (size, size)), 3, dim=1)
        floor = self.outside + (self.floor - self.outside) * faces * lit
        share = (floor + (1 - floor) * texture) * adaptation
        return self.peak * share.clamp(0, 1)


@dataclass(frozen=True)
class Guide(Perceptual):
    """Limits for methods that keep them themselves: makeup is meant to be seen beyond them."""

    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Leave the perturbation as it is."""
        del limits
        return delta


def pixel_budget(epsilon: float, *, perceptual: bool) -> Budget:
    """How far pixels may be changed: weighed by what the eye notices, or alike."""
    return Perceptual(epsilon) if perceptual else Linf(epsilon)


def _box(images: Tensor, size: int = 5) -> Tensor:
    return F.avg_pool2d(images, size, 1, size // 2, count_include_pad=False)


def _square(affines: Tensor) -> Tensor:
    """(B, 2, 3) affine maps as (B, 3, 3) matrices."""
    last = affines.new_tensor([0.0, 0.0, 1.0]).expand(affines.shape[0], 1, 3)
    return torch.cat([affines, last], dim=1)
