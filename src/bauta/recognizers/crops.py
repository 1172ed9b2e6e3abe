"""The crops that recognizers look at, by name: fixed squares of a face's canonical frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from bauta.errors import RegistryError
from bauta.faces.face import FRAME_CENTRE, FRAME_SIDE, TEMPLATES
from bauta.recognizers.base import Crop, affine_crop, crop_from_template

#: Where ArcFace-type recognizers put the five points in a 112 pixel crop (Deng et al., CVPR 2019).
ARCFACE_TEMPLATE = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
_DLIB_PADDING = 0.25
#: Side of the loose crop, as a share of the frame: the whole head, hair and chin.
_LOOSE = 0.92


def arcface_crop(size: int = 112) -> Crop:
    """Tight crop of brows to chin, aligned to five points."""
    return crop_from_template(size, ARCFACE_TEMPLATE * (size / 112), TEMPLATES["yunet5"])


def dlib_crop(size: int = 150) -> Crop:
    """Chip of dlib: the face square with a quarter of its side around it."""
    side = (1 + 2 * _DLIB_PADDING) / FRAME_SIDE
    x, y = (((-_DLIB_PADDING - c) / FRAME_SIDE + 0.5) for c in FRAME_CENTRE)
    return affine_crop(size, (x, y), side)


def loose_crop(size: int = 160) -> Crop:
    """The whole head, as networks with a detector of their own see it."""
    edge = (1 - _LOOSE) / 2
    return affine_crop(size, (edge, edge), _LOOSE)


CROPS: Mapping[str, Callable[[int], Crop]] = MappingProxyType(
    {"arcface": arcface_crop, "dlib": dlib_crop, "loose": loose_crop}
)


def named_crop(name: str, size: int) -> Crop:
    """Return the crop called ``name`` at ``size`` pixels.

    Raises:
        RegistryError: there is none of this name.

    """
    if name not in CROPS:
        raise RegistryError(f"unknown crop {name!r}: use {', '.join(CROPS)}")
    return CROPS[name](size)
