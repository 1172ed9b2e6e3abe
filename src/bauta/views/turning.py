"""Turning a face: where each point of the mean head lies in a photo, now and after a turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.geometry import Affine, apply, compose, fit_similarity, invert
from bauta.views.expression import NEUTRAL, Expression, movement
from bauta.views.pose import Pose, guess_yaw
from bauta.views.shape import (
    HEAD_TO_FRAME,
    POINTS,
    REACH,
    anchors,
    belonging,
    height,
    plane,
    relief,
)

#: What the head turns about, in head coordinates: the upper end of the neck.
_PIVOT = (0.0, 0.55)
#: A turn is carried out in full up to here, and from there on not at all (see ``belonging``).
_TURNED, _STILL = 0.45, 1.7
#: How far a landmark that is off the mean face's shifts its surroundings, in head units, and
#: how much of a landmark's offset is taken for a mistake.
_KERNEL, _MISTAKE = 0.35, 0.1
#: Width that every strip of the plane keeps, as a share.
_NARROWEST = 0.2
#: Standard deviation of the blur of moves, in points of the plane.
_SOFT = 1.5
#: Steps of the inversion, and the share of an error that each takes away where nothing is
#: stretched: 0.16 where most is squeezed, and still no overshoot where most is stretched.
_STEPS, _RATE = 40, 0.8


@dataclass(frozen=True, eq=False)
class Head:
    """The mean head, laid over the face of a photo.

    "The photo's plane" are head coordinates as the face's frame has them: what would be head
    coordinates if the face looked at the camera.

    Attributes:
        pose: as guessed from the photo.
        fit: (2, 3) similarity that takes the turned mean head to the photo's plane.
        shift: (POINTS, POINTS, 2) what this face's parts are off the mean face's, in head units.

    """

    pose: Pose
    fit: Affine
    shift: Tensor

    @classmethod
    def of(cls, face: Face) -> Head:
        """Lay the mean head over a face."""
        landmarks = apply(invert(head_to_photo(face)), face.landmarks.astype(np.float64))
        pose = Pose(guess_yaw(landmarks, face.scheme))
        which, mean = anchors(face.scheme)
        flat = torch.from_numpy(mean).float()
        turned = _turned(flat, height(flat), pose).numpy().astype(np.float64)
        fit = fit_similarity(turned, landmarks[which])
        away = landmarks[which] - apply(fit, turned)
        return cls(pose, fit, _interpolated(mean, away))

    def table(self, pose: Pose, expression: Expression = NEUTRAL) -> Tensor:
        """Where the head's points lie in the photo's plane, in a pose and with an expression.

        Returns:
            (POINTS, POINTS, 2) at :func:`bauta.views.shape.plane`.

        """
        points = plane()
        moved = _turned(points + movement(points, expression), relief(), pose)
        moved = _unfolded(moved)
        linear = torch.from_numpy(self.fit[:, :2]).float()
        offset = torch.from_numpy(self.fit[:, 2]).float()
        return moved @ linear.T + offset + self.shift


def head_to_photo(face: Face) -> Affine:
    """(2, 3) similarity from head coordinates to photo pixels, for a face seen from the front."""
    return compose(face.frame, HEAD_TO_FRAME)


def _turned(points: Tensor, z: Tensor, pose: Pose) -> Tensor:
    """Where (..., 2) points with heights (...) come to lie; the background stays where it is."""
    pivot = points.new_tensor([*_PIVOT, 0.0])
    matrix = torch.from_numpy(pose.rotation).to(points)
    solid = torch.cat([points, z[..., None]], dim=-1) - pivot
    moved = (solid @ matrix.T + pivot)[..., :2]
    share = belonging(points, _TURNED, _STILL)[..., None]
    return points + share * (moved - points)


def _unfolded(table: Tensor) -> Tensor:
    """Table whose rows go from left to right everywhere.

    What a turn hides behind nose or cheek is pushed out from behind it, into a narrow strip.
    """
    x = table[..., 0]
    middle = POINTS // 2
    least = _NARROWEST * 2 * REACH / (POINTS - 1) * torch.arange(POINTS)
    right = torch.cummax((x - least)[:, middle:], dim=1).values
    left = -torch.cummax((least - x)[:, : middle + 1].flip(1), dim=1).values.flip(1)
    unfolded = torch.cat([left[:, :-1], right], dim=1) + least
    moves = torch.stack([unfolded, table[..., 1]]) - plane().permute(2, 0, 1)
    # Where pushing ends, straight lines of the background would have corners.
    soft = gaussian_blur2d(moves[None], (9, 9), (_SOFT, _SOFT))[0]
    return soft.permute(1, 2, 0) + plane()


def _interpolated(at: NDArray[np.float64], values: NDArray[np.float64]) -> Tensor:
    """(POINTS, POINTS, 2) smooth field that has (N, 2) values at (N, 2) points, or nearly so."""
    kernel = np.exp(-np.square(at[:, None] - at[None]).sum(-1) / (2 * _KERNEL**2))
    weights = np.linalg.solve(kernel + _MISTAKE * np.eye(len(at)), values)
    away = plane()[:, :, None] - torch.from_numpy(at).float()
    near = torch.exp(-away.square().sum(-1) / (2 * _KERNEL**2))
    return near @ torch.from_numpy(weights).float()


def look_up(table: Tensor, points: Tensor) -> Tensor:
    """Values of a table over the plane at other points of it.

    Args:
        table: (POINTS, POINTS, C).
        points: (H, W, 2) in head coordinates; beyond the table its border holds.

    Returns:
        (H, W, C).

    """
    grid = points[None] / REACH
    image = table.permute(2, 0, 1)[None]
    found = F.grid_sample(image, grid, padding_mode="border", align_corners=True)
    return found[0].permute(1, 2, 0)


def solve(table: Tensor, targets: Tensor) -> Tensor:
    """Points of the plane that a table takes to given ones.

    Args:
        table: (POINTS, POINTS, 2) from :meth:`Head.table`.
        targets: (H, W, 2).

    Returns:
        (H, W, 2) head coordinates.

    """
    moves = table - plane()
    points = targets
    for _ in range(_STEPS):
        points = points + _RATE * (targets - points - look_up(moves, points))
    return points
