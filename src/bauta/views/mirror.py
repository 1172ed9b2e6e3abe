"""Mirrored photos: what shows a turned head from its other side, as faces are much the same there.

Landmarks keep their meaning, so those that come in pairs change places.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bauta.faces.face import Face

#: Runs of landmarks of iBUG's 68 that a mirror turns round: jaw, brows, nostrils, outer and inner
#: lips above and below.
_RUNS = ((0, 17), (17, 27), (31, 36), (48, 55), (55, 60), (60, 65), (65, 68))


def _order_of_68() -> tuple[int, ...]:
    order = list(range(68))
    for start, end in _RUNS:
        order[start:end] = range(end - 1, start - 1, -1)
    # Each eye goes from its left corner over the upper lid to the right one, and back below.
    order[36:48] = [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    return tuple(order)


#: By scheme, which landmark of a face each landmark of its mirror image is.
ORDER: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {"dlib5": (2, 3, 0, 1, 4), "yunet5": (1, 0, 2, 4, 3), "dlib68": _order_of_68()}
)


def mirrored(pixels: NDArray[np.uint8], face: Face) -> tuple[NDArray[np.uint8], Face]:
    """A photo's mirror image, left for right, and the face in it.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        face: the face, of any scheme.

    """
    last = pixels.shape[1] - 1
    landmarks = face.landmarks[list(ORDER[face.scheme])].copy()
    landmarks[:, 0] = last - landmarks[:, 0]
    left, top, right, bottom = face.box
    box = (last - right, top, last - left, bottom)
    return np.ascontiguousarray(pixels[:, ::-1]), Face(box, face.score, landmarks, face.scheme)
