"""Landmarks smoothed over time, so that what is drawn on a face does not tremble on its skin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bauta.clips.following import with_landmarks
from bauta.faces.face import Face

#: Frames to either side that take part.
RADIUS = 3
#: Weights of the middle of a parabola fitted through the frames, by how many there are to either
#: side: speed and acceleration do not displace it.
#: Source: A. Savitzky, M. Golay, "Smoothing and Differentiation of Data", Anal. Chem. 1964.
_WEIGHTS = {
    2: np.array([-3, 12, 17, 12, -3]) / 35,
    3: np.array([-2, 3, 6, 7, 6, 3, -2]) / 21,
}
#: No landmark is moved further than this, in sides of the frame: what is more than the trembling
#: of landmarks is a movement.
_FARTHEST = 0.015


def smoothed(before: Sequence[Face], face: Face, after: Sequence[Face]) -> Face:
    """A face with its landmarks smoothed.

    Args:
        before: the same face in the frames before, in order, the nearest last.
        face: the face.
        after: the same face in the frames after, in order.

    Returns:
        The face, where as many frames on either side put it: at most :data:`RADIUS`. Unchanged
        with fewer than two.

    """
    radius = min(RADIUS, len(before), len(after))
    if radius not in _WEIGHTS:
        return face
    near = [*before[len(before) - radius :], face, *after[:radius]]
    if any(one.scheme != face.scheme for one in near):
        return face
    path = np.stack([one.landmarks.astype(np.float64) for one in near])
    moves = np.tensordot(_WEIGHTS[radius], path, axes=1) - face.landmarks
    return with_landmarks(face, face.landmarks + _limited(moves, _FARTHEST * face.frame_side))


def _limited(moves: NDArray[np.float64], farthest: float) -> NDArray[np.float64]:
    length = np.linalg.norm(moves, axis=1, keepdims=True)
    short: NDArray[np.float64] = moves * np.minimum(1, farthest / np.maximum(length, 1e-9))
    return short
