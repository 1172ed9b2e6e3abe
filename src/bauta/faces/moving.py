"""Moving pixels: smooth displacements in the frame, carried out on canvases.

A flow is a coarse grid of displacements in unit frame coordinates, so that it means the same at
every resolution and for turned faces. Each pixel of the result is fetched from where it points.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bauta.faces.frame import Canvas
from bauta.faces.geometry import compose_maps, warp
from bauta.faces.rendering import fetch

#: Canvas pixels per pixel at which a flow is sampled.
_COARSE = 4


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
    linear = canvas.frame_to_canvas[:, :, :2]
    turned = torch.einsum("bij,bjhw->bihw", linear, flows)
    # A flow is smooth, so every fourth pixel tells the rest: the gradient of cubic sampling, at
    # all of them, takes a tenth of a whole step.
    coarse = -(-side // _COARSE)
    step = side / coarse
    to_pixels = maps.new_tensor([[step, 0, (step - 1) / 2], [0, step, (step - 1) / 2]])
    moves = warp(turned, compose_maps(maps, to_pixels), (coarse, coarse), mode="bicubic")
    fine = F.interpolate(moves, (side, side), mode="bilinear", align_corners=False) * share
    return fetch(canvas.images, fine)
