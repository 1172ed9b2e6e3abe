"""Where makeup goes on a face, by the mesh: soft areas in the canonical frame.

Point numbers are those of MediaPipe's face mesh (:mod:`bauta.faces.mesh`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from bauta.engine.blurring import blurred
from bauta.faces.frame import FRAME_SIZE

#: Names of the areas. "lids" lie between eyes and brows, "hollows" below the cheekbones, "beard" is
#: where men shave, "skin" the whole face but for eyes, brows, lips and nostrils.
AREAS = ("lips", "lids", "lashes", "brows", "cheeks", "hollows", "beard", "skin")

# fmt: off
_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152,
    148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_MOUTH = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
#: Per side: the eye's outline, of which the first nine points are the lower lid from the outer
#: corner on, and the rest the upper one back; the brow's lower rim from its tail on, and its upper
#: one back; apple of the cheek, cheekbone at the ear, corner of the mouth, wing of the nose.
_SIDES = (
    ((33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
     (46, 53, 52, 65, 55, 107, 66, 105, 63, 70), 50, 127, 61, 129),
    ((263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
     (276, 283, 282, 295, 285, 336, 296, 334, 293, 300), 280, 356, 291, 358),
)
_BEARD = (
    93, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 323,
    376, 411, 426, 358, 2, 129, 206, 187, 147,
)
_NOSTRILS = ((98, 60, 99, 97, 2), (327, 290, 328, 326, 2))
# fmt: on
_FINER = 4


@dataclass(frozen=True, eq=False)
class _Sheet:
    """What areas of one face are drawn on."""

    points: NDArray[np.float64]
    size: int

    def filled(self, *outlines: NDArray[np.float64]) -> Tensor:
        """(1, S, S) coverage of polygons in unit frame coordinates."""
        image = Image.new("L", (self.size * _FINER,) * 2)
        draw = ImageDraw.Draw(image)
        for outline in outlines:
            draw.polygon([tuple(point) for point in outline * self.size * _FINER], fill=255)
        values = np.asarray(image.reduce(_FINER), dtype=np.float32) / np.float32(255)
        return torch.from_numpy(values)[None]

    def of(self, numbers: Sequence[int]) -> NDArray[np.float64]:
        """(N, 2) points of the mesh."""
        return self.points[list(numbers)]

    def spot(self, middle: NDArray[np.float64], along: NDArray[np.float64], width: float) -> Tensor:
        """(1, S, S) bell about a point, one deviation ``along`` a vector, and ``width`` across."""
        line = (torch.arange(self.size, dtype=torch.float64) + 0.5) / self.size
        y, x = torch.meshgrid(line - middle[1], line - middle[0], indexing="ij")
        length = float(np.hypot(*along))
        cos, sin = along / length
        far = ((x * cos + y * sin) / length).square() + ((y * cos - x * sin) / width).square()
        bell: Tensor = (-far / 2).exp()[None].float()
        return bell


def makeup_areas(points: Tensor, *, size: int = FRAME_SIZE) -> dict[str, Tensor]:
    """Soft areas of a face.

    Args:
        points: (468, 2) mesh in unit frame coordinates, of :func:`bauta.faces.mesh.find_mesh`.
        size: side of the areas in pixels.

    Returns:
        For each of :data:`AREAS` (1, size, size), 0 to 1. Eyeballs, teeth and nostrils are in none.

    """
    sheet = _Sheet(points.double().cpu().numpy(), size)
    eyes = sheet.filled(*(sheet.of(side[0]) for side in _SIDES))
    mouth = sheet.filled(sheet.of(_MOUTH))
    lips = sheet.filled(sheet.of(_LIPS))
    brows = _soft(sheet.filled(*(sheet.of(side[1]) for side in _SIDES)), 0.006)
    bare = (1 - _soft(_grown(eyes, 1), 0.003)) * (1 - _soft(_grown(mouth, 1), 0.003))
    skin = _soft(sheet.filled(sheet.of(_OVAL)), 0.02) * bare
    skin = skin * (1 - _soft(_grown(lips, 1), 0.006))
    skin = skin * (1 - _soft(sheet.filled(*(sheet.of(n) for n in _NOSTRILS)), 0.006))
    lids, lashes = _lids(sheet)
    cheeks, hollows = _cheeks(sheet)
    return {
        "lips": _soft(lips, 0.004) * bare,
        "lids": lids * bare * (1 - brows),
        "lashes": lashes * (1 - eyes),
        "brows": brows,
        "cheeks": cheeks * skin,
        "hollows": hollows * skin,
        "beard": _soft(sheet.filled(sheet.of(_BEARD)), 0.02) * skin,
        "skin": skin * (1 - brows),
    }


def mean_over(values: Tensor, area: Tensor) -> Tensor:
    """(..., 1, 1) mean of (..., S, S) values over an area."""
    total = (values * area).sum(dim=(-2, -1), keepdim=True)
    return total / area.sum(dim=(-2, -1), keepdim=True).clamp_min(1e-6)


def _lids(sheet: _Sheet) -> tuple[Tensor, Tensor]:
    """Upper lids with what is above them, most at the lashes, and the line of the lashes."""
    lids, lashes = torch.zeros(1, sheet.size, sheet.size), torch.zeros(1, sheet.size, sheet.size)
    for eye, brow, *_ in _SIDES:
        upper = sheet.of(eye[8:] + eye[:1])[::-1]
        rim = sheet.of(brow[:5])
        # A little beyond the outer corner, as eye shadow is drawn.
        tail = upper[0] + 0.25 * (upper[0] - upper[-1])
        height = float(np.hypot(*(rim.mean(axis=0) - upper.mean(axis=0))))
        area = _soft(sheet.filled(np.vstack([tail, upper, rim[::-1]])), 0.008)
        near = sheet.filled(np.vstack([upper, upper[::-1] - [0, 0.30 * height]]))
        fading = _soft(_grown(near, 2), 0.35 * height)
        lids = torch.maximum(lids, area * (fading / fading.max().clamp_min(1e-6)))
        line = np.vstack([tail, upper, upper[::-1] - [0, 0.2 * height], tail])
        lashes = torch.maximum(lashes, _soft(sheet.filled(line), 0.003))
    return lids, lashes


def _cheeks(sheet: _Sheet) -> tuple[Tensor, Tensor]:
    """Apples of the cheeks, drawn toward the ears, and the hollows below the cheekbones."""
    cheeks, hollows = torch.zeros(1, sheet.size, sheet.size), torch.zeros(1, sheet.size, sheet.size)
    for _, _, apple, bone, corner, wing in _SIDES:
        at, ear, mouth, nose = sheet.points[[apple, bone, corner, wing]]
        along = 0.22 * (ear - nose)
        cheeks = cheeks + sheet.spot(0.8 * at + 0.2 * ear, along, 0.6 * float(np.hypot(*along)))
        below = 0.55 * ear + 0.45 * mouth
        along = 0.30 * (mouth - ear)
        hollows = hollows + sheet.spot(below, along, 0.3 * float(np.hypot(*along)))
    return cheeks.clamp(max=1), hollows.clamp(max=1)


def _grown(area: Tensor, by: int) -> Tensor:
    return F.max_pool2d(area[None], 2 * by + 1, 1, by)[0]


def _soft(area: Tensor, deviation: float) -> Tensor:
    """An area with a soft edge, its deviation in sides of the frame."""
    return blurred(area[None], deviation * area.shape[-1])[0].clamp(0, 1)
