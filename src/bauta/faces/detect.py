"""Find the faces of a photo and give each its landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bauta.errors import NoFaceError, UsageError
from bauta.faces.face import Face, overlap
from bauta.faces.hog import Box, HogDetector, suppress
from bauta.faces.landmarks import find_landmarks

#: Boxes that overlap less than this are not the same face.
_SAME_FACE = 0.3


class Detector(Protocol):
    """Anything that finds face boxes."""

    def detect(self, pixels: NDArray[np.uint8]) -> list[tuple[Box, float]]:
        """Boxes (left, top, right, bottom) and scores of an (H, W, 3) uint8 RGB photo."""
        ...


def find_faces(
    pixels: NDArray[np.uint8],
    *,
    detector: Detector | None = None,
    landmarks: str = "dlib5",
    turned: bool = True,
) -> list[Face]:
    """All faces of a photo, largest first.

    Args:
        pixels: (H, W, 3) uint8 RGB, upright.
        detector: None: :class:`HogDetector` with its defaults.
        landmarks: landmark scheme, see :func:`bauta.faces.landmarks.find_landmarks`.
        turned: if nothing is found, look once more at the photo turned by 90, 270 and 180
            degrees: photos whose orientation was lost are common.

    Returns:
        Faces, possibly none.

    Raises:
        UsageError: ``pixels`` has another shape or type, or the scheme is unknown.
        WeightsError: the predictor's file is missing or altered.

    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise UsageError(f"expected (H, W, 3) uint8 pixels, got {pixels.shape} {pixels.dtype}")
    detector = detector or HogDetector()
    for quarter in (0, 1, 3, 2) if turned else (0,):
        view = np.ascontiguousarray(np.rot90(pixels, quarter))
        faces = [
            Face(box, score, find_landmarks(view, box, scheme=landmarks), landmarks)
            for box, score in suppress(detector.detect(view))
        ]
        if faces:
            found = [_turn_back(face, quarter, view.shape[:2]) for face in faces]
            return sorted(found, key=lambda face: -face.size)
    return []


def find_near(pixels: NDArray[np.uint8], face: Face) -> Face | None:
    """The face found where ``face`` is, in another version of its photo, or None.

    Only the surroundings are searched, which on large photos takes a fraction of the time.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        face: a face of the same photo before it was changed.

    """
    left, top, right, bottom = face.box
    margin = 0.6 * face.size
    x, y = max(0, round(left - margin)), max(0, round(top - margin))
    part = pixels[y : max(0, round(bottom + margin)), x : max(0, round(right + margin))]
    if part.size == 0:
        return None
    detector = HogDetector(min_face=max(10.0, 0.6 * face.size))
    found = [_shifted(f, x, y) for f in find_faces(np.ascontiguousarray(part), detector=detector)]
    best = max(found, key=partial(overlap, face), default=None)
    return best if best is not None and overlap(best, face) > _SAME_FACE else None


def _shifted(face: Face, x: int, y: int) -> Face:
    left, top, right, bottom = face.box
    box = (left + x, top + y, right + x, bottom + y)
    return replace(face, box=box, landmarks=face.landmarks + np.array([x, y], dtype=np.float32))


def _turn_back(face: Face, quarter: int, shape: tuple[int, ...]) -> Face:
    """Coordinates in a photo turned by ``quarter`` x 90 degrees, in the photo as it was."""
    for _ in range(quarter):
        # np.rot90 took (x, y) to (y, W - 1 - x); ``shape`` is the turned photo's, so its height
        # is W.
        height = shape[0]
        left, top, right, bottom = face.box
        points = np.stack([height - 1 - face.landmarks[:, 1], face.landmarks[:, 0]], axis=1)
        box = (height - bottom, left, height - top, right)
        face = replace(face, box=box, landmarks=points)
        shape = shape[::-1]
    return face


def choose_faces(faces: Sequence[Face], which: str | Sequence[int] = "all") -> list[Face]:
    """Select faces by "all", "largest" or their numbers (from 1, largest face first).

    Raises:
        NoFaceError: there is no face.
        UsageError: the selection does not fit the photo.

    """
    if not faces:
        raise NoFaceError("no face was found")
    if which == "all":
        return list(faces)
    if which == "largest":
        return [faces[0]]
    try:
        numbers = [int(n) for n in (which.split(",") if isinstance(which, str) else which)]
    except ValueError:
        raise UsageError(
            f"--faces takes all, largest or numbers such as 1,3; got {which!r}"
        ) from None
    wrong = [n for n in numbers if not 1 <= n <= len(faces)]
    if wrong:
        raise UsageError(f"there is no face number {wrong[0]}: the photo has {len(faces)}")
    return [faces[n - 1] for n in dict.fromkeys(numbers)]
