"""Moving pixels: smooth displacements in the frame, carried out on canvases and in the photo.

A flow is a coarse grid of displacements in unit frame coordinates, so that it means the same at
every resolution and for turned faces. Each pixel of the result is fetched from where it points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.frame import Canvas, area_of, render_area, sum_overlaps
from bauta.faces.geometry import warp


def move_canvas(canvas: Canvas, flows: Tensor, share: Tensor, maps: Tensor) -> Tensor:
    """Canvases with their pixels moved. Differentiable in ``flows``.

    Args:
        canvas: B faces.
        flows: (B, 2, G, G) displacements (x, y) in unit frame coordinates.
        share: (B, 1, C, C) share of the displacement that is carried out, 0 to 1; 0 at the frame's
            edges.
        maps: (B, 2, 3) from :meth:`Canvas.canvas_to_frame` for size G.

    Returns:
        (B, 3, C, C) RGB 0-255.

    """
    side = canvas.images.shape[-1]
    in_frame = warp(flows, maps, (side, side), mode="bicubic") * share
    linear = canvas.frame_to_canvas[:, :, :2]
    return _fetch(canvas.images, torch.einsum("bij,bjhw->bihw", linear, in_frame))


def move_in_photo(
    pixels: NDArray[np.uint8], faces: Sequence[Face], flows: Tensor, masks: Tensor
) -> NDArray[np.uint8]:
    """Move a photo's pixels at its full resolution.

    Where the frames of faces overlap, their displacements add up.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        faces: N faces.
        flows: (N, 2, G, G) displacements in each face's unit frame coordinates.
        masks: (N, 1, S, S) share of the displacement that is carried out, 0 to 1.

    Returns:
        A new (H, W, 3) uint8 photo; outside the frames its samples are the old ones.

    """
    out = pixels.copy()
    moves: dict[int, tuple[tuple[slice, slice], Tensor]] = {}
    for index, face in enumerate(faces):
        mask = masks[index][None]
        area = area_of(face, mask, pixels.shape)
        if area is None:
            continue
        flow = _smooth(flows[index][None], masks.shape[-1])
        in_frame = render_area(flow, mask, face, area, smooth=True)
        moves[index] = (area, in_frame @ torch.from_numpy(face.frame[:, :2].T).to(in_frame))
    for area, move in sum_overlaps(moves, pixels.shape):
        images = torch.from_numpy(pixels[area].astype(np.float32)).permute(2, 0, 1)[None]
        moved = _fetch(images, move.permute(2, 0, 1)[None])[0].permute(1, 2, 0)
        out[area] = moved.round().clamp(0, 255).to(torch.uint8).numpy()
    return out


def _smooth(flows: Tensor, size: int) -> Tensor:
    """(B, 2, size, size) flows between the points of their grids."""
    return F.interpolate(flows, (size, size), mode="bicubic", align_corners=False)


def _fetch(images: Tensor, moves: Tensor) -> Tensor:
    """Each pixel of (B, 3, H, W) ``images`` from (B, 2, H, W) ``moves`` away, in pixels."""
    height, width = images.shape[-2:]
    ys = torch.arange(height, dtype=images.dtype, device=images.device).view(1, -1, 1)
    xs = torch.arange(width, dtype=images.dtype, device=images.device).view(1, 1, -1)
    x = (2 * (xs + moves[:, 0]) + 1) / width - 1
    y = (2 * (ys + moves[:, 1]) + 1) / height - 1
    grid = torch.stack([x, y], dim=-1)
    # Cubic, since linear interpolation blurs skin texture wherever the move is half a pixel.
    return F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
