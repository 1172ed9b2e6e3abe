"""Photos and faces made to measure for views."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bauta.faces.face import Face


def five_of(face: Face) -> Face:
    """YuNet's five points out of the 68."""
    points = face.landmarks
    eyes = [points[36:42].mean(0), points[42:48].mean(0)]
    five = np.stack([*eyes, points[30], points[48], points[54]])
    return Face(face.box, face.score, five.astype(np.float32), "yunet5")


def scaled(pixels: NDArray[np.uint8], face: Face, side: float) -> tuple[NDArray[np.uint8], Face]:
    """The photo scaled so that the face's frame has this side in pixels, and the face in it."""
    factor = side / face.frame_side
    image = Image.fromarray(pixels)
    size = (round(image.width * factor), round(image.height * factor))
    small = np.array(image.resize(size, Image.Resampling.LANCZOS))
    left, top, right, bottom = (factor * edge for edge in face.box)
    points = ((face.landmarks + 0.5) * factor - 0.5).astype(np.float32)
    return small, Face((left, top, right, bottom), face.score, points, face.scheme)


def dotted(height: int, width: int, points: NDArray[np.floating]) -> NDArray[np.uint8]:
    """A grey photo with a soft bright dot at each of (N, 2) points."""
    y, x = np.mgrid[:height, :width]
    out = np.full((height, width), 90.0)
    for px, py in points:
        out += 130 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 2.0**2))
    return np.repeat(out.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
