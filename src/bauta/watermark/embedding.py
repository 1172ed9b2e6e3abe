"""Marking faces in a photo in one pass of a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.budgets import Perceptual
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas
from bauta.faces.regions import region_mask
from bauta.faces.rendering import render_into_photo
from bauta.watermark.marking import mark_of, network_frames
from bauta.watermark.network import Encoder


@torch.no_grad()
def mark_photo(
    photo: NDArray[np.uint8],
    faces: Sequence[Face],
    word: NDArray[np.bool_],
    encoder: Encoder,
    *,
    epsilon: float = 8.0,
    grey: bool = False,
) -> NDArray[np.uint8]:
    """Mark faces.

    Args:
        photo: (H, W, 3) uint8 RGB.
        faces: those to mark.
        word: (64,) what they are to say.
        encoder: in evaluation mode.
        epsilon: size of the change, in grey levels, weighed by what the eye notices.
        grey: keep the photo without colour.

    Returns:
        A new photo; outside the faces' heads its samples are the old ones.

    """
    if not faces:
        return photo.copy()
    device = next(encoder.parameters()).device
    canvas = cut_canvas([photo] * len(faces), faces).to(device)
    heads, ovals = (
        torch.stack([region_mask(face, (region,)) for face in faces]).to(device)
        for region in ("head", "face")
    )
    budget = Perceptual(epsilon)
    limits = budget.limits(canvas, ovals) * (heads > 0)
    bits = bits_of(word).to(device).expand(len(faces), -1)
    deltas, _ = mark_of(encoder, network_frames(canvas), bits, limits, budget)
    return render_into_photo(photo, faces, deltas.cpu(), heads.cpu(), limit=budget.peak, grey=grey)


def bits_of(word: NDArray[np.bool_]) -> Tensor:
    """(1, 64) -1 or 1 for the bits of a code word."""
    return torch.from_numpy(2 * word.astype(np.float32) - 1)[None]
