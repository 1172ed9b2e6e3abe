"""dlib's HOG face detector: multi-scale, tiled, weak finds confirmed by dlib's small CNN.

Everything it needs comes with the installed packages: nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import dlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bauta.errors import UsageError
from bauta.faces.face import box_iou
from bauta.weights.records import locate

Box = tuple[float, float, float, float]

#: Side of the smallest face that dlib's HOG window answers to, in pixels.
HOG_WINDOW = 80
#: Photos up to this many pixels are scanned whole, larger ones in tiles, to bound memory.
TILE_PIXELS = 16_000_000
_TILE_SIDE = 2048
_COARSE_SIDE = 1600
_NMS_IOU = 0.35


@cache
def _hog() -> Any:
    return dlib.get_frontal_face_detector()


@cache
def _cnn() -> Any:
    return dlib.cnn_face_detection_model_v1(str(locate("dlib-mmod")))


@dataclass(frozen=True, kw_only=True)
class HogDetector:
    """Frontal and half-turned faces by histograms of oriented gradients.

    The photo is scaled so that the smallest wanted face fills the 80 px window. Finds below
    ``sure`` are looked at a second time by dlib's MMOD network on a small crop, so that the
    threshold can be low without taking cushions for faces.

    Source: D. King, "Max-Margin Object Detection", arXiv 1502.00046; dlib 20.

    Args:
        min_face: side of the smallest face to find, in photo pixels; None: 2 % of the photo's
            longer side, at least 40.
        threshold: lowest HOG score to consider.
        sure: HOG score from which a find needs no second look.

    """

    min_face: float | None = None
    threshold: float = -0.3
    sure: float = 0.8

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.min_face is not None and self.min_face < 10:
            raise UsageError(f"min_face must be at least 10 pixels, got {self.min_face}")

    def detect(self, pixels: NDArray[np.uint8]) -> list[tuple[Box, float]]:
        """Boxes (left, top, right, bottom) and scores, best first.

        Args:
            pixels: (H, W, 3) uint8 RGB.

        """
        smallest = self.min_face or max(40.0, 0.02 * max(pixels.shape[:2]))
        found: list[tuple[Box, float]] = []
        for part, origin, scale in _views(pixels, HOG_WINDOW / smallest):
            boxes, scores, _ = _hog().run(part, 0, self.threshold)
            for box, score in zip(boxes, scores, strict=True):
                found.append((_to_photo(box, origin, scale), float(score)))
        kept = suppress(found)
        return [item for item in kept if item[1] >= self.sure or confirm(pixels, item[0])]


def suppress(found: list[tuple[Box, float]]) -> list[tuple[Box, float]]:
    """Keep the best of boxes that overlap (IoU above 0.35), best first."""
    kept: list[tuple[Box, float]] = []
    for item in sorted(found, key=lambda item: -item[1]):
        if all(box_iou(item[0], other[0]) < _NMS_IOU for other in kept):
            kept.append(item)
    return kept


def confirm(pixels: NDArray[np.uint8], box: Box) -> bool:
    """Whether dlib's MMOD network sees a face in ``box`` too."""
    side = max(box[2] - box[0], box[3] - box[1])
    margin = round(0.4 * side)
    left, top, right, bottom = (round(edge) for edge in box)
    wide = (left - margin, top - margin, right + margin, bottom + margin)
    crop = Image.fromarray(pixels).crop(wide)
    # MMOD answers to faces from 80 px on; 90 leaves it a little room to disagree on the size.
    size = max(1, round(crop.width * 90 / side)), max(1, round(crop.height * 90 / side))
    small = np.asarray(crop.resize(size, Image.Resampling.BILINEAR))
    return len(_cnn()(small, 0)) > 0


def _views(
    pixels: NDArray[np.uint8], scale: float
) -> Iterator[tuple[NDArray[np.uint8], tuple[float, float], float]]:
    """Parts of the photo to scan: (scaled part, its origin in the photo, its scale)."""
    height, width = pixels.shape[:2]
    if height * width * scale * scale <= TILE_PIXELS:
        yield _resized(pixels, scale), (0.0, 0.0), scale
        return
    coarse = min(scale, _COARSE_SIDE / max(height, width))
    yield _resized(pixels, coarse), (0.0, 0.0), coarse
    # What the coarse scan can miss is smaller than its window, so this overlap cuts nothing.
    overlap = 1.5 * HOG_WINDOW / coarse
    tile = max(_TILE_SIDE / scale, 2 * overlap)
    for top in _starts(height, tile, overlap):
        for left in _starts(width, tile, overlap):
            part = pixels[top : top + round(tile), left : left + round(tile)]
            yield _resized(part, scale), (float(left), float(top)), scale


def _starts(length: int, tile: float, overlap: float) -> list[int]:
    """First pixels of tiles that cover ``length`` with the given overlap."""
    count = max(1, int(np.ceil((length - overlap) / (tile - overlap))))
    return [
        round(i * (length - tile) / max(1, count - 1)) if count > 1 else 0 for i in range(count)
    ]


def _resized(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if abs(scale - 1) < 0.02:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image)


def _to_photo(box: Any, origin: tuple[float, float], scale: float) -> Box:
    x, y = origin
    return (
        x + box.left() / scale,
        y + box.top() / scale,
        x + (box.right() + 1) / scale,
        y + (box.bottom() + 1) / scale,
    )
