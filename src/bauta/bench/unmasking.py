"""Guessing a personal mask from posts that wear it, and taking it off.

Posts of one person differ in everything but the mask. What a blur takes away from each of them, in
the face's frame, is averaged, and counts for less where the photo itself is busy: faces cancel out,
the mask stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.blurring import blurred
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas, frames_of
from bauta.faces.placement import inverse, placed, placements
from bauta.faces.regions import region_mask
from bauta.faces.rendering import render_into_photo

#: Sigma of the blur in pixels of the frame, 224 across. Of 1, 2, 4, 8, medians of 5 and 9, plain,
#: clipped and weighted means, the estimates of ten posts are most like OPOM's masks (correlation
#: .53-.60 for three people of LFW, .26 from one post).
_SIGMA = 2.0
#: Sigma of the places over which it is measured how busy a photo is.
_PLACE = 4.0
#: Variance, in squared grey levels, below which a place is as good as flat.
_FLAT = 4.0
#: No mask that a person would post changes more; in grey levels.
_LIMIT = 32.0


def estimate_mask(
    photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face], *, follows: bool = False
) -> Tensor:
    """What posts have in common besides the person.

    Args:
        photos: (H, W, 3) uint8 RGB posts of one person.
        faces: the face in each.
        follows: masks follow the mesh of the face, as Bauta's own do, and so does the adversary.

    Returns:
        (1, 3, S, S) estimate in the frame, in grey levels.

    """
    canvas = cut_canvas(photos, faces)
    frames = frames_of(canvas)
    if follows:
        frames = placed(frames, inverse(placements(canvas)))
    details = frames - blurred(frames, _SIGMA)
    weights = 1 / (blurred(details.square(), _PLACE) + _FLAT)
    mean: Tensor = (weights * details).sum(0, keepdim=True) / weights.sum(0, keepdim=True)
    return mean


def unmask(
    photos: Sequence[NDArray[np.uint8]],
    faces: Sequence[Face],
    estimate: Tensor,
    *,
    follows: bool = False,
) -> list[NDArray[np.uint8]]:
    """Photos less an estimated mask.

    Args:
        photos: (H, W, 3) uint8 RGB each.
        faces: the face in each.
        estimate: (1, 3, S, S) in the frame, in grey levels.
        follows: as in :func:`estimate_mask`.

    """
    out = []
    for photo, face in zip(photos, faces, strict=True):
        there = placed(estimate, placements(cut_canvas([photo], [face]))) if follows else estimate
        area = region_mask(face, ("head",))[None]
        out.append(render_into_photo(photo, [face], -there, area, limit=_LIMIT))
    return out
