"""The aligned crops that recognizers are made for, by name or by where the landmarks go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bauta.errors import UsageError
from bauta.faces.face import FRAME_CENTRE, FRAME_SIDE, TEMPLATES
from bauta.recognizers.base import Crop, affine_crop, crop_from_template

#: The five landmarks that ArcFace-type networks align to, in a 112 x 112 crop: eyes, nose tip,
#: mouth corners (J. Guo and J. Deng, insightface).
ARCFACE_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
_ARCFACE_SIZE = 112
#: Share of dlib's face square that its chips add on every side.
_CHIP_PADDING = 0.25


def arcface_crop(size: int) -> Crop:
    """Crop of ArcFace's template, enlarged to ``size`` pixels."""
    scale = size / _ARCFACE_SIZE
    return crop_from_template(size, ARCFACE_TEMPLATE * scale, TEMPLATES["yunet5"])


def dlib_crop(size: int) -> Crop:
    """Crop of dlib's face chips."""
    corner = tuple((-_CHIP_PADDING - c) / FRAME_SIDE + 0.5 for c in FRAME_CENTRE)
    return affine_crop(size, (corner[0], corner[1]), (1 + 2 * _CHIP_PADDING) / FRAME_SIDE)


def loose_crop(size: int) -> Crop:
    """Crop of the whole head, as detectors' boxes with a margin give (FaceNet, VGGFace).

    It is the whole frame, 3.8 times the distance of the eyes; ArcFace's is 3.2 times.
    """
    return affine_crop(size, (0.0, 0.0), 1.0)


CROPS = {"arcface": arcface_crop, "dlib": dlib_crop, "loose": loose_crop}


def crop_of(crop: str | Sequence[float], size: int) -> Crop:
    """Return a crop by name, or by where it has the landmarks.

    Args:
        crop: "arcface", "dlib", "loose", or ten numbers: x and y in crop pixels of the image-left
            eye, the image-right eye, the nose tip and both corners of the mouth.
        size: side of the crop in pixels.

    Raises:
        UsageError: the name is unknown, or the points are no face.

    """
    if isinstance(crop, str):
        if crop not in CROPS:
            raise UsageError(f"unknown crop {crop!r}: use {', '.join(CROPS)}, or ten numbers")
        return CROPS[crop](size)
    if len(crop) != 10:
        raise UsageError(f"a crop of five points needs ten numbers, got {len(crop)}")
    points = np.array(crop, dtype=np.float64).reshape(5, 2)
    spread = points.max(0) - points.min(0)
    if not (np.abs(points) <= 2 * size).all() or spread.min() < 0.05 * size:
        raise UsageError(f"the five points are no face in a crop of {size} pixels: {list(crop)}")
    if points[0, 0] >= points[1, 0] or points[0, 1] >= points[3, 1]:
        raise UsageError("the five points must be: left eye, right eye, nose, mouth's corners")
    return crop_from_template(size, points, TEMPLATES["yunet5"])
