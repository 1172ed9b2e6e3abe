"""Which detector to use: dlib's HOG, or YuNet where its file has been fetched."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bauta.errors import UsageError
from bauta.faces.detect import find_faces
from bauta.faces.face import Face
from bauta.faces.hog import HogDetector
from bauta.faces.yunet import YuNet
from bauta.weights.records import locate

DetectorName = Literal["hog", "yunet"]


@cache
def _yunet() -> YuNet:
    return YuNet(locate("yunet-2023mar"))


def find(
    pixels: NDArray[np.uint8],
    *,
    detector: str = "hog",
    min_face: float | None = None,
    landmarks: str = "dlib5",
) -> list[Face]:
    """All faces of a photo, largest first, by a named detector.

    Args:
        pixels: (H, W, 3) uint8 RGB, upright.
        detector: "hog" (dlib, always there) or "yunet" (needs its file and the extra "onnx").
        min_face: side of the smallest face to find, in pixels; None: 2 % of the longer side, at
            least 40 (HOG) or 24 (YuNet).
        landmarks: landmark scheme for HOG: "dlib5" or "dlib68". YuNet brings its own five.

    Raises:
        UsageError: the detector is unknown.
        WeightsError: its file is missing; the message says how to fetch it.
        MissingExtraError: onnxruntime is not installed.

    """
    if detector == "hog":
        return find_faces(pixels, detector=HogDetector(min_face=min_face), landmarks=landmarks)
    if detector != "yunet":
        raise UsageError(f"unknown detector {detector!r}: use hog or yunet")
    smallest = round(min_face or max(24.0, 0.02 * max(pixels.shape[:2])))
    found = _yunet().detect(pixels, min_face=smallest)
    faces = [Face(f.box, f.score, f.landmarks, "yunet5") for f in found]
    return sorted(faces, key=lambda face: -face.size)
