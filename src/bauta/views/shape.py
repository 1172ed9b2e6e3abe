"""The shape of a generic head, as a relief over the face's plane.

Head coordinates: x to the right of the picture, y down, z towards the camera, in units of dlib's
face square (brow line to chin, about 12 cm). The origin lies on the axis that the head turns
about, at the middle between hairline and chin. Points of the plane are those of the canonical
frame, so the mean face's landmarks are where the frame has them.

The relief is our own: a dome with a steep but bounded flank, on which nose, eye sockets, brows,
cheeks, lips and chin are Gaussian bumps. It runs out smoothly into the background instead of ending
at an outline, so that turning it stretches what surrounds a head, and never tears it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from kornia.filters import gaussian_blur2d
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import FRAME_CENTRE, FRAME_SIDE, TEMPLATES
from bauta.faces.geometry import Affine

#: Where the origin lies in dlib's face square: x is the mean face's plane of symmetry.
ORIGIN = (0.49, 0.36)
#: Half the side of the square that the relief is tabled on, and its points along a side.
REACH = 1.8
POINTS = 181

#: Height of the dome, half its width at the eyes and at the chin, and how far it goes up and down.
_HEIGHT = 0.69
_WIDTH, _JAW_WIDTH = 0.89, 0.79
_UP, _DOWN = 1.2, 1.3
#: Standard deviation of the blur of what casts shade.
_SOFT = 0.07
# fmt: off
#: Bumps: x, y, standard deviations along both, height; those off the middle come in pairs. The nose
#: is so steep that a turn by 30 degrees just about hides something behind it.
_BUMPS = (
    (0.0, 0.16, 0.105, 0.085, 0.145),   # tip of the nose
    (0.0, 0.02, 0.085, 0.15, 0.075),    # its bridge
    (0.10, 0.21, 0.06, 0.05, 0.04),     # its wings
    (0.29, -0.15, 0.12, 0.07, -0.05),   # eye sockets
    (0.20, -0.31, 0.20, 0.07, 0.03),    # brows
    (0.37, 0.08, 0.13, 0.11, 0.035),    # cheekbones
    (0.0, 0.42, 0.17, 0.08, 0.055),     # lips
    (0.0, 0.57, 0.15, 0.05, -0.03),     # hollow under the lower lip
    (0.0, 0.73, 0.15, 0.10, 0.07),      # chin
)
# fmt: on

#: (2, 3) map from head coordinates to unit frame coordinates.
HEAD_TO_FRAME: Affine = np.array(
    [
        [1 / FRAME_SIDE, 0.0, (ORIGIN[0] - FRAME_CENTRE[0]) / FRAME_SIDE + 0.5],
        [0.0, 1 / FRAME_SIDE, (ORIGIN[1] - FRAME_CENTRE[1]) / FRAME_SIDE + 0.5],
    ]
)

#: Where the mean face's chin lies in its plane: where :mod:`bauta.faces.regions` ends the face.
_CHIN = (0.0, 0.80)


def _in_head(scheme: str, which: slice) -> NDArray[np.float64]:
    offset = HEAD_TO_FRAME[:, 2]
    points: NDArray[np.float64] = (TEMPLATES[scheme][which] - offset) * FRAME_SIDE
    return points


def anchors(scheme: str) -> tuple[list[int], NDArray[np.float64]]:
    """Landmarks that say where a face's parts are.

    Args:
        scheme: "dlib5", "yunet5" or "dlib68".

    Returns:
        Numbers of N landmarks, and the mean face's (N, 2) points in head coordinates.

    """
    if scheme != "dlib68":
        points = _in_head(scheme, slice(None))
        return list(range(len(points))), points
    parts = [_in_head("dlib5", slice(None)), _in_head("yunet5", slice(2, 5)), np.array([_CHIN])]
    return [45, 42, 36, 39, 33, 30, 48, 54, 8], np.vstack(parts)


def plane() -> Tensor:
    """(POINTS, POINTS, 2) points (x, y) of the plane that the relief is tabled at."""
    line = torch.linspace(-REACH, REACH, POINTS)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], dim=-1)


def _out(points: Tensor) -> Tensor:
    """How far out of the head points are: 0 in its middle, 1 where the relief ends."""
    x, y = points.unbind(-1)
    y = y - 0.05
    down = (y / 0.75).clamp(0, 1)
    width = _WIDTH - (_WIDTH - _JAW_WIDTH) * down * down * (3 - 2 * down)
    reach = torch.where(y > 0, _DOWN, _UP)
    return (x / width).abs() ** 3 + (y / reach) ** 4


def height(points: Tensor) -> Tensor:
    """Height of the relief, in head units.

    Args:
        points: (..., 2) of the plane.

    Returns:
        (...) z, 0 in the background to about 0.95 at the tip of the nose.

    """
    z = _HEIGHT * (1 - _out(points)).clamp(min=0).square()
    for x, y, across, along, bump in _BUMPS:
        for side in (x, -x) if x else (x,):
            scaled = (points - points.new_tensor([side, y])) / points.new_tensor([across, along])
            z = z + bump * torch.exp(-scaled.square().sum(-1) / 2)
    return z


def belonging(points: Tensor, inner: float, outer: float) -> Tensor:
    """Share, 0 to 1, by which (..., 2) points belong to the head: 1 inside, 0 in the background.

    Args:
        points: of the plane.
        inner: up to here all of it, outwards as the relief ends at 1.
        outer: from here on nothing.

    """
    ramp = ((outer - _out(points)) / (outer - inner)).clamp(0, 1)
    return ramp * ramp * (3 - 2 * ramp)


@cache
def relief() -> Tensor:
    """(POINTS, POINTS) heights at :func:`plane`; not to be changed."""
    return height(plane())


@cache
def normals() -> Tensor:
    """(POINTS, POINTS, 3) unit normals at :func:`plane`; not to be changed.

    They are those of a softer relief: light goes under the skin, and a mean face's nose seldom ends
    just where the own one does.
    """
    step = 2 * REACH / (POINTS - 1)
    soft = gaussian_blur2d(relief()[None, None], (31, 31), (_SOFT / step,) * 2)[0, 0]
    down, right = torch.gradient(soft, spacing=step)
    raw = torch.stack([-right, -down, torch.ones_like(right)], dim=-1)
    return torch.nn.functional.normalize(raw, dim=-1)
