"""Regions of a face as feathered masks in the canonical frame.

With 68 landmarks the outlines are the face's own. With five they are those of a mean face put
into the frame: eyes and nose then lie right by construction, brows and mouth to within expression.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces.face import FRAME_CENTRE, FRAME_SIDE, Face
from bauta.faces.frame import FRAME_SIZE
from bauta.faces.geometry import apply, fit_similarity, invert

#: Names of the regions. "face" is everything from hairline to chin, "skin" is "face" without
#: eyes, brows and mouth, "head" takes in hair, ears and neck: all that recognizers' crops show.
REGIONS = ("head", "face", "skin", "eyes", "brows", "nose", "mouth")
_SUPERSAMPLING = 4

# fmt: off
#: Points 18 to 68 of the iBUG scheme on the mean face that dlib aligns to, in its face square.
_MEAN_X = (
    0.000213256, 0.0752622, 0.18113, 0.29077, 0.393397, 0.586856, 0.689483, 0.799124, 0.904991,
    0.98004, 0.490127, 0.490127, 0.490127, 0.490127, 0.36688, 0.426036, 0.490127, 0.554217,
    0.613373, 0.121737, 0.187122, 0.265825, 0.334606, 0.260918, 0.182743, 0.645647, 0.714428,
    0.793132, 0.858516, 0.79751, 0.719335, 0.254149, 0.340985, 0.428858, 0.490127, 0.551395,
    0.639268, 0.726104, 0.642159, 0.556721, 0.490127, 0.423532, 0.338094, 0.290379, 0.428096,
    0.490127, 0.552157, 0.689874, 0.553364, 0.490127, 0.42689,
)
_MEAN_Y = (
    0.106454, 0.038915, 0.0187482, 0.0344891, 0.0773906, 0.0773906, 0.0344891, 0.0187482, 0.038915,
    0.106454, 0.203352, 0.307009, 0.409805, 0.515625, 0.587326, 0.609345, 0.628106, 0.609345,
    0.587326, 0.216423, 0.178758, 0.179852, 0.231733, 0.245099, 0.244077, 0.231733, 0.179852,
    0.178758, 0.216423, 0.244077, 0.245099, 0.780233, 0.745405, 0.727388, 0.742578, 0.727388,
    0.745405, 0.780233, 0.864805, 0.902192, 0.909281, 0.902192, 0.864805, 0.784792, 0.778746,
    0.785343, 0.778746, 0.784792, 0.824182, 0.831803, 0.824182,
)
# fmt: on

#: Outline of the mean face, hairline to chin, as half axes about (0.49, 0.27) of the face square.
_FACE_CENTRE = (0.49, 0.30)
_FACE_WIDTH, _FACE_UP, _FACE_DOWN = 0.60, 0.68, 0.86


def _superellipse(width: float, height: float, power: float) -> NDArray[np.float64]:
    """Closed outline about the frame's centre, between an ellipse (2) and a rectangle."""
    angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    x, y = np.cos(angles), np.sin(angles)
    curve = [np.sign(c) * np.abs(c) ** (2 / power) * r for c, r in ((x, width), (y, height))]
    return np.stack(curve, axis=1) + 0.5


_HEAD = _superellipse(0.42, 0.45, 3.0)


def region_mask(
    face: Face, regions: Sequence[str] = ("face",), *, size: int = FRAME_SIZE, feather: float = 0.02
) -> Tensor:
    """Mask of one or several regions in the face's frame.

    Args:
        face: the face.
        regions: names out of :data:`REGIONS`; their union is taken.
        size: side of the mask in pixels.
        feather: standard deviation of the soft edge, as a share of the frame's side.

    Returns:
        (1, size, size) float32, 0 outside to 1 inside; 0 on the frame's border.

    Raises:
        UsageError: a region is unknown.

    """
    unknown = [name for name in regions if name not in REGIONS]
    if unknown:
        raise UsageError(f"unknown region {unknown[0]!r}: use {', '.join(REGIONS)}")
    points = _points_in_frame(face)
    canvas = np.zeros((size, size), dtype=np.float32)
    for name in regions:
        canvas = np.maximum(canvas, _region(name, points, size))
    image = Image.fromarray(np.uint8(np.round(canvas * 255)))
    soft = (
        np.asarray(image.filter(ImageFilter.GaussianBlur(feather * size)), dtype=np.float32) / 255
    )
    return torch.from_numpy(soft * _vignette(size))[None]


def _region(name: str, points: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    if name == "head":
        return _fill([_HEAD], size)
    if name == "face":
        return _fill([_face_outline(points)], size)
    if name == "skin":
        holes = _fill(
            _parts("eyes", points) + _parts("brows", points) + _parts("mouth", points), size
        )
        skin: NDArray[np.float32] = _fill([_face_outline(points)], size) * (1 - holes)
        return skin
    return _fill(_parts(name, points), size)


def _parts(name: str, points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Outlines of a region's parts, widened a little, from the 68 points."""
    if name == "eyes":
        return [_widened(points[36:42], 1.35), _widened(points[42:48], 1.35)]
    if name == "brows":
        return [_brow(points[17:22]), _brow(points[22:27])]
    if name == "nose":
        return [_hull(np.vstack([points[27:28], points[31:36], points[[39, 42]]]))]
    return [_widened(points[48:60], 1.15)]


def _widened(points: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    centre = points.mean(axis=0)
    wider: NDArray[np.float64] = (points - centre) * factor + centre
    return wider


def _brow(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A brow's landmarks run along its middle: give it thickness."""
    across = np.array([0.0, 0.022])
    return np.vstack([points - across, (points + across)[::-1]])


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convex outline of star-shaped points: ordered by angle about their centre."""
    offset = points - points.mean(axis=0)
    return points[np.argsort(np.arctan2(offset[:, 1], offset[:, 0]))]


def _face_outline(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Closed outline: the jaw as found, and a forehead as high as the mean face's."""
    if np.isnan(points[0, 0]):
        angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        down = np.where(np.sin(angles) > 0, _FACE_DOWN, _FACE_UP)
        x = _FACE_CENTRE[0] + _FACE_WIDTH * np.cos(angles)
        y = _FACE_CENTRE[1] + down * np.sin(angles)
        return _square_to_frame(np.stack([x, y], axis=1))
    jaw = points[:17]
    middle = (jaw[0] + jaw[16]) / 2
    up = (points[27] - points[8]) * 0.62
    half = (jaw[16] - jaw[0]) / 2
    angles = np.linspace(0, np.pi, 24)[1:-1]
    arc = middle + np.outer(np.cos(angles), half) + np.outer(np.sin(angles), up)
    return np.vstack([jaw, arc])


def _square_to_frame(points: NDArray[np.float64]) -> NDArray[np.float64]:
    moved: NDArray[np.float64] = (points - np.array(FRAME_CENTRE)) / FRAME_SIDE + 0.5
    return moved


def _points_in_frame(face: Face) -> NDArray[np.float64]:
    """68 points in unit frame coordinates; NaN for the jaw where only five are known."""
    own = apply(invert(face.frame), face.landmarks.astype(np.float64))
    if face.scheme == "dlib68":
        return own
    points = np.full((68, 2), np.nan)
    points[17:] = _square_to_frame(np.column_stack([_MEAN_X, _MEAN_Y]))
    if face.scheme == "yunet5":
        # YuNet sees the mouth's corners, so the mouth need not be a mean one's.
        points[48:] = apply(fit_similarity(points[[48, 54]], own[3:5]), points[48:])
    return points


def _fill(outlines: Sequence[NDArray[np.float64]], size: int) -> NDArray[np.float32]:
    """(size, size) coverage of polygons, antialiased."""
    big = size * _SUPERSAMPLING
    image = Image.new("L", (big, big))
    draw = ImageDraw.Draw(image)
    for outline in outlines:
        draw.polygon([tuple(point) for point in outline * big], fill=255)
    return np.asarray(image.reduce(_SUPERSAMPLING), dtype=np.float32) / np.float32(255)


def _vignette(size: int) -> NDArray[np.float32]:
    """1 inside, falling to 0 over the outer 4 % of the frame, so that no edge ever shows."""
    ramp = np.clip(np.minimum(np.arange(size), np.arange(size)[::-1]) / (0.04 * size), 0, 1)
    smooth = ramp * ramp * (3 - 2 * ramp)
    square: NDArray[np.float32] = np.outer(smooth, smooth).astype(np.float32)
    return square
