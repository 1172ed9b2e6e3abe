"""dlib's HOG face detector: multi-scale, tiled, weak finds confirmed by dlib's small CNN.

Everything it needs comes with the installed packages: nothing is downloaded.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import dlib
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bauta.errors import UsageError
from bauta.faces.face import box_iou
from bauta.weights.records import locate

Box = tuple[float, float, float, float]

#: Side of the smallest face that dlib's HOG window answers to, in pixels.
HOG_WINDOW = 80
#: Photos up to this many pixels are scanned whole, larger ones in tiles: several at a time, and
#: with bounded memory. The same on every machine, so that it finds the same.
TILE_PIXELS = 6_000_000
_TILE_SIDE = 2048
_COARSE_SIDE = 1600
_NMS_IOU = 0.35


#: The network keeps its layers' outputs, so one thread at a time may ask it.
_cnn_alone = Lock()
#: A detector keeps its pyramid between calls, so threads must not share one.
_idle: SimpleQueue[Any] = SimpleQueue()


def _scan(part: NDArray[np.uint8], threshold: float) -> list[tuple[Any, float]]:
    """HOG's finds in one part of a photo, with their scores."""
    try:
        detector = _idle.get_nowait()
    except Empty:
        detector = dlib.get_frontal_face_detector()
    try:
        boxes, scores, _ = detector.run(part, 0, threshold)
    finally:
        _idle.put(detector)
    return list(zip(boxes, scores, strict=True))


@cache
def _cnn() -> Any:
    return dlib.cnn_face_detection_model_v1(str(locate("dlib-mmod")))


@dataclass(frozen=True)
class _View:
    """A part of the photo, in its pixels, and the scale at which it is scanned."""

    left: int
    top: int
    width: int
    height: int
    scale: float


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

        def scan(view: _View) -> list[tuple[Box, float]]:
            finds = _scan(_resized(pixels, view), self.threshold)
            return [(_to_photo(box, view), float(score)) for box, score in finds]

        # dlib lets go of the interpreter while it scans.
        with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
            parts = list(pool.map(scan, _views(pixels.shape, HOG_WINDOW / smallest)))
        kept = suppress([item for part in parts for item in part])
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
    with _cnn_alone:
        return len(_cnn()(small, 0)) > 0


def _views(shape: tuple[int, ...], scale: float) -> list[_View]:
    """Parts of a photo to scan."""
    height, width = shape[:2]
    # HOG's window does not care about a face a few pixels smaller, and resizing takes time.
    if 0.98 < scale < 1.05:
        scale = 1.0
    if height * width * scale * scale <= TILE_PIXELS:
        return [_View(0, 0, width, height, scale)]
    coarse = min(scale, _COARSE_SIDE / max(height, width))
    # What the coarse scan can miss is smaller than its window, so this overlap cuts nothing.
    overlap = 1.25 * HOG_WINDOW / coarse
    side = max(_TILE_SIDE / scale, 2 * overlap)
    rows, columns = (_tiles(length, side, overlap) for length in (height, width))
    tiles = [_View(x, y, w, h, scale) for y, h in rows for x, w in columns]
    return [_View(0, 0, width, height, coarse), *tiles]


def _tiles(length: int, side: float, overlap: float) -> list[tuple[int, int]]:
    """Starts and sizes of tiles of about ``side`` that cover ``length`` with the given overlap."""
    count = max(1, round((length - overlap) / (side - overlap)))
    size = (length + (count - 1) * overlap) / count
    starts = [round(i * (size - overlap)) for i in range(count)]
    return [(start, min(length, round(start + size)) - start) for start in starts]


def _resized(pixels: NDArray[np.uint8], view: _View) -> NDArray[np.uint8]:
    part = pixels[view.top : view.top + view.height, view.left : view.left + view.width]
    if view.scale == 1:
        return np.ascontiguousarray(part)
    size = (max(1, round(view.width * view.scale)), max(1, round(view.height * view.scale)))
    image = Image.fromarray(part).resize(size, Image.Resampling.BILINEAR, reducing_gap=1.0)
    return np.asarray(image)


def _to_photo(box: Any, view: _View) -> Box:
    return (
        view.left + box.left() / view.scale,
        view.top + box.top() / view.scale,
        view.left + (box.right() + 1) / view.scale,
        view.top + (box.bottom() + 1) / view.scale,
    )
