"""Plane geometry on pixel grids: similarities, and the sampling grids that carry them out.

Photo coordinates are (x, y) with the centre of the first pixel at (0, 0). Frame coordinates
are (x, y) in the unit square, edges included, so that they mean the same at every resolution.
An affine map is a (2, 3) array [A | t] acting on column vectors.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Affine = NDArray[np.float64]


def fit_similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> Affine:
    """Least-squares similarity (rotation, uniform scale, shift) that takes source to target.

    Source: S. Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", TPAMI 1991, without the reflection case.

    Args:
        source: (N, 2) points, N >= 2, not all equal.
        target: (N, 2) points.

    Returns:
        (2, 3) affine map that minimises the squared distance in the target's plane.

    """
    mean_s, mean_t = source.mean(axis=0), target.mean(axis=0)
    zs = (source - mean_s) @ np.array([1.0, 1.0j])
    zt = (target - mean_t) @ np.array([1.0, 1.0j])
    # In the complex plane a similarity is one multiplication, so its fit is a division.
    factor = np.vdot(zs, zt) / np.vdot(zs, zs).real
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([linear, mean_t - linear @ mean_s])


def invert(affine: Affine) -> Affine:
    """Inverse of a (2, 3) affine map."""
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def compose(outer: Affine, inner: Affine) -> Affine:
    """Map that applies ``inner`` first and ``outer`` to its result."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


def compose_maps(outer: Tensor, inner: Tensor) -> Tensor:
    """Batched composition of (..., 2, 3) affine maps: ``inner`` first."""
    linear = outer[..., :2] @ inner[..., :2]
    shift = (outer[..., :2] @ inner[..., 2:])[..., 0] + outer[..., 2]
    return torch.cat([linear, shift[..., None]], dim=-1)


def about_centre(maps: Tensor, size: int) -> Tensor:
    """(B, 2, 3) maps of pixels, from ones about the centre in units of a square's side."""
    centre = (size - 1) / 2
    linear, shift = maps[:, :, :2], maps[:, :, 2] * size
    fixed = centre - linear.sum(dim=2) * centre + shift
    return torch.cat([linear, fixed[:, :, None]], dim=2)


def apply(affine: Affine, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Apply a (2, 3) affine map to (N, 2) points."""
    moved: NDArray[np.float64] = points @ affine[:, :2].T + affine[:, 2]
    return moved


def scale_of(affine: Affine) -> float:
    """Linear scale of a similarity."""
    return float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))


def unit_to_pixels(size: int) -> Affine:
    """Map from unit-square coordinates to the pixel coordinates of a size x size image."""
    return np.array([[size, 0.0, -0.5], [0.0, size, -0.5]])


def pixel_grid(affines: Tensor, out_size: tuple[int, int], in_size: tuple[int, int]) -> Tensor:
    """Grid for :func:`torch.nn.functional.grid_sample` (``align_corners=False``).

    Args:
        affines: (B, 2, 3) maps from output pixel coordinates to input pixel coordinates.
        out_size: (height, width) of the output.
        in_size: (height, width) of the input.

    Returns:
        (B, H, W, 2) sampling grid in grid_sample's coordinates.

    """
    height, width = out_size
    # Per axis a x + b y + c: two broadcast sums, and no product of matrices, which takes several
    # times as long for two columns.
    ys = torch.arange(height, dtype=affines.dtype, device=affines.device).view(1, -1, 1, 1)
    xs = torch.arange(width, dtype=affines.dtype, device=affines.device).view(1, 1, -1, 1)
    pixel = 2 / affines.new_tensor([in_size[1], in_size[0]])
    a, b, c = (part[:, None, None, :] for part in (pixel[:, None] * affines).unbind(dim=2))
    return (a * xs + (c + pixel / 2 - 1)) + b * ys


def warp(
    images: Tensor, affines: Tensor, out_size: tuple[int, int], *, mode: str = "bilinear"
) -> Tensor:
    """Sample ``images`` through affine maps; what lies outside is 0. Differentiable in images.

    Args:
        images: (B, C, H, W) any range.
        affines: (B, 2, 3) maps from output pixel coordinates to input pixel coordinates.
        out_size: (height, width) of the result.
        mode: "bilinear", "bicubic" or "nearest".

    Returns:
        (B, C, height, width).

    """
    grid = pixel_grid(affines, out_size, (images.shape[-2], images.shape[-1]))
    return sample(images, grid.to(images.dtype), mode=mode)


def sample(
    images: Tensor, grid: Tensor, *, mode: str = "bilinear", padding_mode: str = "zeros"
) -> Tensor:
    """Sample (B, C, H, W) ``images`` at a (B, h, w, 2) grid of :func:`pixel_grid`'s kind.

    PyTorch's processor kernel gives each thread whole images, so one image alone is taken as
    several that share its pixels.
    """
    height = grid.shape[1]
    parts = next((n for n in (4, 2) if height % n == 0), 1)
    if images.shape[0] > 1 or parts == 1 or images.device.type != "cpu":
        return F.grid_sample(
            images, grid, mode=mode, padding_mode=padding_mode, align_corners=False
        )
    out = F.grid_sample(
        images.expand(parts, -1, -1, -1),
        grid.reshape(parts, height // parts, -1, 2),
        mode=mode,
        padding_mode=padding_mode,
        align_corners=False,
    )
    return out.transpose(0, 1).reshape(1, images.shape[1], height, -1)
