"""Poses of a head, and a guess at the pose that a photo shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.faces.geometry import apply, fit_similarity
from bauta.views.shape import anchors, height

#: Yaws that a photo's face is compared with, in degrees.
_GUESSES = np.arange(-40.0, 41.0, 1.0)
#: Standard deviations: of landmarks about a turned mean face, in head units, and of the yaws of
#: people who are photographed, in degrees.
_LANDMARK_SPREAD, _YAW_SPREAD = 0.015, 15.0


@dataclass(frozen=True)
class Pose:
    """How a head is turned, in degrees.

    Attributes:
        yaw: towards the picture's right positive.
        pitch: upwards positive.
        roll: tilted clockwise, as the picture shows it, positive.

    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    @property
    def rotation(self) -> NDArray[np.float64]:
        """(3, 3) rotation of head coordinates: it nods, then turns, then tilts."""
        yaw, pitch, roll = np.radians([self.yaw, self.pitch, self.roll])
        turn = _about(1, yaw)
        return _about(2, roll) @ turn @ _about(0, pitch)


def _about(axis: int, angle: float) -> NDArray[np.float64]:
    """Rotation by which the axis after ``axis`` goes towards the one before it, negated."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def guess_yaw(landmarks: NDArray[np.float64], scheme: str) -> float:
    """Yaw of a face by where its landmarks lie.

    The mean head is turned until its landmarks agree best; without evidence the guess is 0, as
    most people who are photographed look at the camera.

    Args:
        landmarks: (N, 2) all points of the scheme, in head coordinates.
        scheme: landmark scheme.

    Returns:
        Degrees, -40 to 40.

    """
    which, mean = anchors(scheme)
    found = landmarks[which]
    z = height(torch.from_numpy(mean)).numpy()
    solid = np.column_stack([mean, z])

    def cost(yaw: float) -> float:
        turned = (solid @ Pose(yaw).rotation.T)[:, :2]
        away = apply(fit_similarity(turned, found), turned) - found
        return float(np.square(away).sum() / _LANDMARK_SPREAD**2 + (yaw / _YAW_SPREAD) ** 2)

    return float(min(_GUESSES, key=cost))
