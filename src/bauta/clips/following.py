"""A face followed from one frame to the next: where it lies now, and whether it still is there.

The face is looked at in its own upright frame, as it lay a moment ago. Landmarks found there are
finer than a pixel of a small face, do not mind how far the head is tilted, and do not depend on
the steps in which a detector places its boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from bauta.faces.face import Face
from bauta.faces.finders import find
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import Affine, apply, compose, invert, unit_to_pixels, warp
from bauta.faces.landmarks import find_landmarks
from bauta.faces.mesh import find_mesh

Pixels = NDArray[np.uint8]

#: Side in pixels of the upright view that landmarks are found in, and what part of it the frame
#: fills: the rest is for faces that moved.
_VIEW, _FRAME_IN_VIEW = 320, 0.75
#: Centre and side of dlib's box in the unit frame: medians of 45 upright faces of LFW.
_BOX_CENTRE, _BOX_SIDE = (0.48, 0.56), 0.69
#: Rounds in which landmarks are found; each looks where the one before has led.
_ROUNDS = 2
#: Probability of the mesh from which there is a face.
_LIKELY = 0.5
#: Side of the small pictures by which a face is told from what took its place, and the least
#: correlation of two in a row.
_CHIP, _ALIKE = 24, 0.5
#: A face does not grow or shrink by more than this from frame to frame, nor turn further than so
#: many degrees, nor move further than this, in sides of its frame.
_GROWTH, _TURN, _MOVE = 1.3, 30.0, 0.5


@dataclass(frozen=True, eq=False)
class Sighting:
    """A face as one frame shows it.

    Attributes:
        face: where.
        chip: (24, 24) what it looks like, without mean and of unit length.
        present: whether the mesh takes it for a face.

    """

    face: Face
    chip: NDArray[np.float32]
    present: bool


def look_at(pixels: Pixels, found: Face) -> Sighting:
    """Look closer at a face that a detector has found, in an (H, W, 3) uint8 RGB frame."""
    face = _refined(pixels, found)
    if face is None or not _is_near(found, face):
        face = found
    return _sighting(pixels, face)


def follow(
    pixels: Pixels, last: Sighting, motion: NDArray[np.float64] | None = None
) -> Sighting | None:
    """Find a face again, one frame later or earlier.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        last: the face in the frame beside.
        motion: (2,) how far it has moved from frame to frame so far, in pixels; None: unknown.

    Returns:
        The face; None if it is not there any more.

    """
    expected = _moved(last.face, motion) if motion is not None else last.face
    face = _refined(pixels, expected)
    if face is None or not _is_near(expected, face):
        return None
    now = _sighting(pixels, face)
    # Who was no face for the mesh before, a profile perhaps, cannot be lost by it.
    lost = last.present and not now.present
    alike = float((last.chip * now.chip).sum()) >= _ALIKE
    return replace(now, present=last.present) if alike and not lost else None


def centre(face: Face) -> NDArray[np.float64]:
    """(2,) middle of a face's frame, in photo pixels."""
    middle: NDArray[np.float64] = apply(face.frame, np.array([[0.5, 0.5]]))[0]
    return middle


def with_landmarks(face: Face, points: NDArray[np.floating]) -> Face:
    """The same face with its landmarks elsewhere, and its box around where they are now."""
    moved = replace(face, landmarks=points.astype(np.float32))
    x, y = apply(moved.frame, np.array([_BOX_CENTRE]))[0]
    half = _BOX_SIDE * moved.frame_side / 2
    return replace(moved, box=(x - half, y - half, x + half, y + half))


def _refined(pixels: Pixels, face: Face) -> Face | None:
    """The face with landmarks found in its upright view; None if there are none."""
    for _ in range(_ROUNDS):
        to_photo = _view_of(face)
        points = _landmarks(_warped(pixels, to_photo, _VIEW), face.scheme)
        if points is None:
            return None
        face = with_landmarks(face, apply(to_photo, points.astype(np.float64)))
        if face.scheme == "yunet5":
            break  # its detector looks everywhere, and takes longer
    return face


def _view_of(face: Face) -> Affine:
    """(2, 3) map from the upright view's pixels to the photo's."""
    side = _FRAME_IN_VIEW * _VIEW
    edge = (_VIEW - side) / 2
    inner = unit_to_pixels(round(side))
    return compose(face.frame, invert(inner + np.array([[0, 0, edge], [0, 0, edge]])))


def _landmarks(view: Pixels, scheme: str) -> NDArray[np.float32] | None:
    side = _FRAME_IN_VIEW * _VIEW
    if scheme == "yunet5":
        found = find(view, detector="yunet", min_face=0.25 * side)
        middle = np.array([_VIEW / 2, _VIEW / 2])
        nearest = min(
            found, key=lambda face: float(np.linalg.norm(centre(face) - middle)), default=None
        )
        return None if nearest is None else nearest.landmarks
    x, y = (side * part + (_VIEW - side) / 2 for part in _BOX_CENTRE)
    half = _BOX_SIDE * side / 2
    return find_landmarks(view, (x - half, y - half, x + half, y + half), scheme=scheme)


def _warped(pixels: Pixels, to_photo: Affine, size: int) -> Pixels:
    """(size, size, 3) uint8 view of a photo; edges go on beyond it."""
    corners = apply(to_photo, np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float64))
    low = np.floor(corners.min(axis=0)).astype(int) - 2
    high = np.ceil(corners.max(axis=0)).astype(int) + 3
    height, width = pixels.shape[:2]
    columns = np.arange(low[0], high[0]).clip(0, width - 1)
    rows = np.arange(low[1], high[1]).clip(0, height - 1)
    part = torch.from_numpy(pixels[rows[:, None], columns[None]]).permute(2, 0, 1)[None].float()
    shifted = to_photo - np.array([[0, 0, low[0]], [0, 0, low[1]]])
    view = warp(part, torch.from_numpy(shifted)[None].float(), (size, size))
    return view[0].round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def _sighting(pixels: Pixels, face: Face) -> Sighting:
    canvas = cut_canvas([pixels], [face])
    presence = float(find_mesh(canvas)[1])
    to_photo = compose(face.frame, invert(unit_to_pixels(4 * _CHIP)))
    view = _warped(pixels, to_photo, 4 * _CHIP).astype(np.float32).mean(axis=2)
    chip = view.reshape(_CHIP, 4, _CHIP, 4).mean(axis=(1, 3))
    chip = chip - chip.mean()
    return Sighting(face, chip / max(float(np.linalg.norm(chip)), 1e-6), presence > _LIKELY)


def _is_near(before: Face, after: Face) -> bool:
    growth = after.frame_side / before.frame_side
    turn = (after.roll - before.roll + 180) % 360 - 180
    move = float(np.linalg.norm(centre(after) - centre(before))) / before.frame_side
    return 1 / _GROWTH < growth < _GROWTH and abs(turn) < _TURN and move < _MOVE


def _moved(face: Face, motion: NDArray[np.float64]) -> Face:
    return with_landmarks(face, face.landmarks + motion)
