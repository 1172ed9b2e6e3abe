"""Landmark predictors of dlib: five points by default, 68 only on request (see their licences)."""

from __future__ import annotations

from functools import cache
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.weights.records import locate

#: Weight record behind each landmark scheme.
PREDICTORS = {"dlib5": "dlib-landmarks-5", "dlib68": "dlib-landmarks-68"}


@cache
def _predictor(scheme: str) -> Any:
    if scheme not in PREDICTORS:
        raise UsageError(f"unknown landmark scheme {scheme!r}: use one of {sorted(PREDICTORS)}")
    return dlib.shape_predictor(str(locate(PREDICTORS[scheme])))


def find_landmarks(
    pixels: NDArray[np.uint8], box: tuple[float, float, float, float], *, scheme: str = "dlib5"
) -> NDArray[np.float32]:
    """Landmarks of the face in ``box``.

    Args:
        pixels: (H, W, 3) or (H, W) uint8 photo.
        box: (left, top, right, bottom) of the face as dlib's HOG detector would draw it.
        scheme: "dlib5" (public domain), or "dlib68" (trained on iBUG 300-W: not for commercial
            use, so never chosen by itself).

    Returns:
        (5, 2) or (68, 2) float32 points (x, y) in photo pixels.

    Raises:
        UsageError: the scheme is unknown.
        WeightsError: the predictor's file is missing or altered.

    """
    rectangle = dlib.rectangle(*(round(edge) for edge in box))
    shape = _predictor(scheme)(pixels, rectangle)
    points = [(shape.part(i).x, shape.part(i).y) for i in range(shape.num_parts)]
    return np.array(points, dtype=np.float32)
