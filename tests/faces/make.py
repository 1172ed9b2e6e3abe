"""Faces made to measure: landmarks of the mean face under a chosen similarity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bauta.faces.face import TEMPLATES, Face


def face_at(x: float, y: float, side: float, roll: float = 0.0, *, scheme: str = "dlib5") -> Face:
    """Face whose frame has its centre at (x, y), this side in pixels and this roll in degrees."""
    angle = np.radians(roll)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (TEMPLATES[scheme] - 0.5) @ turn.T * side + (x, y)
    half = side / 4
    return Face((x - half, y - half, x + half, y + half), 1.0, points.astype(np.float32), scheme)


def moved(face: Face, x: float, y: float) -> Face:
    """The face shifted by (x, y)."""
    left, top, right, bottom = face.box
    box = (left + x, top + y, right + x, bottom + y)
    return Face(box, face.score, face.landmarks + np.float32((x, y)), face.scheme)


def eye_distance(face: Face) -> float:
    """Distance of the eyes' middles, in pixels."""
    points = face.landmarks
    return float(np.hypot(*(points[[0, 1]].mean(axis=0) - points[[2, 3]].mean(axis=0))))


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A photo of noise, all values in it."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
