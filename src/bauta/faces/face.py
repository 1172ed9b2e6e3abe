"""A face in a photo: where it is, its landmarks, and the canonical frame aligned to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from bauta.faces.geometry import Affine, apply, fit_similarity, scale_of

#: Side of the canonical frame in units of dlib's face square (brow line to chin).
FRAME_SIDE = 2.0
#: Centre of the canonical frame in dlib's face square: the middle between hairline and chin.
FRAME_CENTRE = (0.5, 0.36)


def _to_frame(points: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Points of dlib's face square in unit frame coordinates."""
    centre = np.array(FRAME_CENTRE)
    moved: NDArray[np.float64] = (np.array(points) - centre) / FRAME_SIDE + 0.5
    return moved


#: Where the landmarks of a mean face lie in the unit frame, by landmark scheme.
#: dlib5 is the mean shape that dlib's own chips are aligned to (dlib, image_transforms);
#: yunet5 was measured: the medians of YuNet's points on 599 LFW faces, put into the frame by
#: dlib's points (names in sorted order shuffled with seed 5, the first 600).
TEMPLATES: Mapping[str, NDArray[np.float64]] = MappingProxyType(
    {
        "dlib5": _to_frame(
            [
                (0.8595674595992, 0.2134981538014),
                (0.6460604764104, 0.2289674387677),
                (0.1205750620789, 0.2137274526848),
                (0.3340850613712, 0.2290642403242),
                (0.4901123135679, 0.6277975316475),
            ]
        ),
        "yunet5": _to_frame(
            [
                (0.2166, 0.2027),
                (0.7703, 0.2158),
                (0.4898, 0.5277),
                (0.2576, 0.7788),
                (0.7229, 0.7888),
            ]
        ),
    }
)

#: Distance between a mean face's eyes, in sides of the frame.
EYE_DISTANCE = float(np.linalg.norm(TEMPLATES["yunet5"][1] - TEMPLATES["yunet5"][0]))


@dataclass(frozen=True, eq=False)
class Face:
    """One face of a photo.

    Attributes:
        box: (left, top, right, bottom) in photo pixels; may reach beyond the photo.
        score: the detector's confidence, in its own unit.
        landmarks: (N, 2) points (x, y) in photo pixels.
        scheme: landmark scheme: "dlib5" (four eye corners and the base of the nose), "yunet5"
            (eyes, nose tip, mouth corners) or "dlib68" (iBUG 300-W).

    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float32]
    scheme: str = "dlib5"

    @cached_property
    def frame(self) -> Affine:
        """(2, 3) similarity from unit frame coordinates to photo pixel coordinates."""
        points = self.landmarks.astype(np.float64)
        scheme = self.scheme
        if scheme == "dlib68":
            points, scheme = _five_of_68(points), "dlib5"
        return fit_similarity(TEMPLATES[scheme], points)

    @cached_property
    def frame_side(self) -> float:
        """Side of the canonical frame in photo pixels."""
        return scale_of(self.frame)

    @cached_property
    def roll(self) -> float:
        """Rotation of the face in the image plane, in degrees, clockwise positive."""
        return float(np.degrees(np.arctan2(self.frame[1, 0], self.frame[0, 0])))

    @property
    def size(self) -> float:
        """Longer side of the box, in photo pixels."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])

    def corners(self) -> NDArray[np.float64]:
        """(4, 2) corners of the canonical frame in photo pixels."""
        return apply(self.frame, np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))


def _five_of_68(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The dlib5 points among 68: outer and inner corners of both eyes, base of the nose."""
    return points[[45, 42, 36, 39, 33]]


def overlap(a: Face, b: Face) -> float:
    """Intersection over union of two faces' boxes, 0 to 1."""
    return box_iou(a.box, b.box)


def box_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Intersection over union of two (left, top, right, bottom) boxes, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)
