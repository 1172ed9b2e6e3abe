"""What a mark changes in a face's frame, within a budget: the step that all uses share."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from bauta.engine.budgets import Budget
from bauta.faces.face import TEMPLATES, Face
from bauta.faces.frame import Canvas, frames_of
from bauta.faces.geometry import apply, unit_to_pixels
from bauta.faces.regions import region_mask
from bauta.watermark.network import SIDE, Encoder


def mark_of(
    encoder: Encoder, frames: Tensor, bits: Tensor, limits: Tensor, budget: Budget
) -> tuple[Tensor, Tensor]:
    """What a message adds to faces.

    Args:
        encoder: what draws it.
        frames: (B, 3, 128, 128) the faces, RGB 0-255.
        bits: (B, 64), -1 or 1.
        limits: (B, 1, S, S) largest change of each frame pixel, in grey levels.
        budget: how much may change in all.

    Returns:
        (B, 3, S, S) in grey levels, within the budget; and the shares of the limits that were
        drawn, of the same shape, before the budget cut them. Differentiable.

    """
    light = encoder(frames, bits).float()
    drawn = F.interpolate(light, limits.shape[-2:], mode="bilinear", align_corners=False)
    drawn = drawn.expand(-1, 3, -1, -1)
    return budget.project(drawn * limits, limits), drawn


def marked_frames(
    encoder: Encoder, frames: Tensor, bits: Tensor, budget: Budget
) -> tuple[Tensor, Tensor]:
    """Mark faces of which only the frames are known, as in training.

    Args:
        encoder: what draws the mark.
        frames: (B, 3, 128, 128) the faces, RGB 0-255.
        bits: (B, 64), -1 or 1.
        budget: how much may change.

    Returns:
        The (B, 3, 128, 128) marked frames, and what was drawn, in units of epsilon's share at each
        pixel. Differentiable.

    """
    head, oval = (mask.to(frames) for mask in mean_masks())
    limits = budget.limits(framed(frames), oval.expand(len(frames), -1, -1, -1)) * (head > 0)
    delta, drawn = mark_of(encoder, frames, bits, limits, budget)
    units = drawn * (budget.peak / budget.epsilon)
    return (frames + delta * head).clamp(0, 255), units


def at_network_size(frames: Tensor) -> Tensor:
    """(B, 3, S, S) frames at the size that networks see."""
    return F.interpolate(frames, (SIDE, SIDE), mode="bilinear", antialias=True)


def network_frames(canvas: Canvas) -> Tensor:
    """(B, 3, 128, 128) faces of canvases at the size that networks see."""
    # Twice as fine first: what is left out between pixels would come back as noise.
    return F.avg_pool2d(frames_of(canvas, 2 * SIDE), 2)


def framed(frames: Tensor) -> Canvas:
    """(B, 3, S, S) frames as canvases that show nothing else."""
    maps = torch.from_numpy(unit_to_pixels(frames.shape[-1])).to(frames)
    return Canvas(
        images=frames,
        inside=torch.ones_like(frames[:, :1]),
        frame_to_canvas=maps[None].expand(len(frames), -1, -1),
        scales=frames.new_ones(len(frames)),
    )


@cache
def mean_masks(size: int = SIDE) -> tuple[Tensor, Tensor]:
    """(1, 1, size, size) where head and face of a mean face are in its frame, 0 to 1."""
    points = apply(unit_to_pixels(size), TEMPLATES["dlib5"])
    low, high = points.min(0), points.max(0)
    face = Face(
        box=(float(low[0]), float(low[1]), float(high[0]), float(high[1])),
        landmarks=points.astype(np.float32), score=1.0,
    )  # fmt: skip
    head, oval = (region_mask(face, (region,), size=size)[None] for region in ("head", "face"))
    return head, oval
