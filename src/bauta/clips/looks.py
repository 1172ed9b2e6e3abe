"""Whether a face still looks as it did, in its own frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.frame import Canvas, frames_of
from bauta.faces.geometry import apply, invert

#: Side of a frame by which it is told, in pixels, and what is left out on each side.
_LOOK, _MARGIN = 64, 10
#: Changes since the key frame that call for another: of the face's size, and of where a landmark
#: lies in the frame, in its sides.
_SCALE, _POSE = 1.6, 0.06


def look_of(canvas: Canvas) -> Tensor:
    """(44, 44) what the first face looks like in its frame, without mean and of unit length."""
    grey = frames_of(canvas, _LOOK)[0].mean(dim=0)
    inner = grey[_MARGIN : _LOOK - _MARGIN, _MARGIN : _LOOK - _MARGIN]
    away = inner - inner.mean()
    look: Tensor = away / away.norm().clamp_min(1e-6)
    return look


def alike(one: Tensor, other: Tensor) -> float:
    """Correlation of two looks: 1 for the same."""
    return float((one * other).sum())


def changed(before: Face, now: Face) -> bool:
    """Whether the face has another size or turns another way than in the key frame."""
    scale = now.frame_side / before.frame_side
    if not 1 / _SCALE < scale < _SCALE:
        return True
    if before.scheme != now.scheme:
        return True
    moves = _in_frame(now) - _in_frame(before)
    return bool(np.linalg.norm(moves, axis=1).max() > _POSE)


def _in_frame(face: Face) -> NDArray[np.float64]:
    """Landmarks in unit frame coordinates: they move when the head turns, and only then."""
    return apply(invert(face.frame), face.landmarks.astype(np.float64))
