"""YuNet, a small face detector with five landmarks, on photos of any size.

Source: W. Wu, H. Peng, S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine
Intelligence Research 20, 2023. The file of weights is the record "yunet-2023mar".

The network sees 640x640 pixels and finds faces of about 20 to 600 pixels in them. A photo is
therefore searched at several scales, from the whole photo in one view up to full resolution in
overlapping tiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bauta.errors import UsageError, WeightsError
from bauta.weights.session import open_session

_SIDE = 640
_STRIDES = (8, 16, 32)
_HEADS = tuple(f"{head}_{s}" for head in ("cls", "obj", "bbox", "kps") for s in _STRIDES)
#: Mirrored rim: with its other half in view, a face cut by the photo's border is found better.
_RIM = 32
_GREY = 128
#: Longer side, in network pixels, that a face of ``min_face`` is brought to (measured: 98 %
#: of faces are found at 23 pixels and all at 29, but 20 % at 14).
_LEAST_FACE = 24
_MOST_ENLARGED = 2.0
_OVERLAP = 128
_EDGE = 4
#: Between two scales; a face of the coarser one's least size still fits into the overlap of the
#: finer one: _STEP * _LEAST_FACE <= _OVERLAP - 2 * _EDGE.
_STEP = 4.0
#: Share of a box that must lie in the photo; less is a mirror image in the rim.
_LEAST_VISIBLE = 0.3
#: Intersection over union from which two finds are averaged to one.
_AGREEING = 0.6
#: A find is a part of another if this share of it lies within, and the other's score is so much
#: better.
_WITHIN = 0.8
_CLEARLY = 0.1

Rows = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Detection:
    """One face found by :class:`YuNet`.

    Attributes:
        box: (left, top, right, bottom) in photo pixels, the centre of the first pixel at (0, 0);
            reaches beyond the photo where the face is cut by its border.
        score: confidence, 0 to 1.
        landmarks: (5, 2) points (x, y) in photo pixels. Of an upright face: image-left eye,
            image-right eye, nose tip, image-left and image-right corner of the mouth.

    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float32]


class YuNet:
    """The detector, loaded once and used for any number of photos, also from several threads."""

    def __init__(self, model: Path, *, threads: int | None = None) -> None:
        """Load the network.

        Args:
            model: the ONNX file; its hash is the caller's to check
                (``bauta.weights.locate("yunet-2023mar")`` does).
            threads: threads for one view, None for one per core.

        Raises:
            MissingExtraError: onnxruntime is not installed.
            UsageError: ``threads`` is below 1.
            WeightsError: the file is missing or is not this network.

        """
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1, not {threads}")
        self._session = _open_session(model, threads)

    def detect(
        self,
        pixels: NDArray[np.uint8],
        *,
        score_threshold: float = 0.6,
        nms_threshold: float = 0.3,
        min_face: int = 24,
    ) -> list[Detection]:
        """Find the faces of a photo.

        Args:
            pixels: (H, W, 3) RGB, 0 to 255, of any size.
            score_threshold: least score of a face, above 0, at most 1.
            nms_threshold: boxes that overlap by more than this (intersection over union, 0 to 1)
                count as one face.
            min_face: longer side, in photo pixels, of the smallest box wanted, at least 1. The
                time grows with the square of 1 / min_face. One face in twenty just above this
                size measures smaller and is left out; below 12, faces are rarely found.

        Returns:
            The faces, best score first.

        Raises:
            UsageError: an argument is outside what is said above.

        """
        _check(pixels, score_threshold, nms_threshold, min_face)
        height, width = pixels.shape[:2]
        found = [
            self._search(pixels, scale, score_threshold)
            for scale in plan_scales(height, width, min_face)
        ]
        rows = _credible(np.concatenate(found), height, width, min_face)
        rows = drop_parts(merge(rows, nms_threshold), height, width)
        return [_to_detection(row) for row in rows]

    def _search(self, pixels: NDArray[np.uint8], scale: float, threshold: float) -> Rows:
        """Faces found at one scale, as rows (score, box, landmarks) in photo pixels."""
        level, factors = _scaled(pixels, scale)
        found = []
        for left, top in tile_corners(level.shape[0], level.shape[1]):
            rows = decode(self._run(_view(level, left, top)), threshold)
            rows = rows[_whole(rows, left, top, level.shape[0], level.shape[1])]
            rows[:, 1:] = _to_photo(rows[:, 1:], (left - _RIM, top - _RIM), factors)
            found.append(rows)
        return np.concatenate(found)

    def _run(self, view: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        bgr = np.ascontiguousarray(view[:, :, ::-1].transpose(2, 0, 1)[None], dtype=np.float32)
        outputs = self._session.run(_HEADS, {"input": bgr})
        return dict(zip(_HEADS, outputs, strict=True))


def plan_scales(height: int, width: int, min_face: int) -> list[float]:
    """Plan the scales at which to search a photo, coarsest first.

    One shows the whole photo in one view. Half of it, where that view is full, is for a face that
    fills the photo: 300 pixels of the network find it with more certainty than 600.
    """
    finest = min(_LEAST_FACE / min_face, _MOST_ENLARGED)
    whole = min((_SIDE - 2 * _RIM) / max(height, width), finest)
    scales = [whole, finest]
    while scales[-1] > _STEP * whole:
        scales.append(scales[-1] / _STEP)
    if whole * max(height, width) > _SIDE / 2:
        scales.append(whole / 2)
    return sorted(set(scales))


def tile_corners(height: int, width: int) -> Iterator[tuple[int, int]]:
    """(left, top) of the views that cover a level, overlapping by at least 128 pixels."""
    for top in _starts(height):
        for left in _starts(width):
            yield left, top


def _starts(length: int) -> list[int]:
    if length <= _SIDE:
        return [0]
    count = math.ceil((length - _OVERLAP) / (_SIDE - _OVERLAP))
    return [i * (length - _SIDE) // (count - 1) for i in range(count)]


def decode(heads: Mapping[str, NDArray[np.float32]], threshold: float) -> Rows:
    """Read the faces of one view out of the outputs of the network.

    Args:
        heads: for each stride s, "cls_s" and "obj_s" (1, N, 1) probabilities, "bbox_s" (1, N, 4)
            and "kps_s" (1, N, 10) offsets in units of the stride, for the N cells in row order.
        threshold: least score, the geometric mean of both probabilities.

    Returns:
        (K, 15) rows: score, left, top, right, bottom, and five points (x, y), in view pixels.

    """
    parts = []
    for stride in _STRIDES:
        chance = heads[f"cls_{stride}"][0, :, 0].clip(0, 1) * heads[f"obj_{stride}"][0, :, 0].clip(
            0, 1
        )
        score = np.sqrt(chance)
        kept = np.flatnonzero(score >= threshold)
        columns = _SIDE // stride
        cell = np.stack([kept % columns, kept // columns], axis=1).astype(np.float32)
        box, points = heads[f"bbox_{stride}"][0, kept], heads[f"kps_{stride}"][0, kept]
        centre = (cell + box[:, :2]) * stride
        half = np.exp(box[:, 2:]) * (stride / 2)
        points = (points + np.tile(cell, 5)) * stride
        parts.append(np.hstack([score[kept, None], centre - half, centre + half, points]))
    return np.concatenate(parts).astype(np.float32)


def non_maximum_suppression(
    boxes: NDArray[np.floating], scores: NDArray[np.floating], threshold: float
) -> NDArray[np.intp]:
    """Choose the best of boxes that overlap, greedily.

    Args:
        boxes: (N, 4) left, top, right, bottom.
        scores: (N,) the higher the better.
        threshold: two boxes of a greater intersection over union do not both stay.

    Returns:
        Indices of the boxes that stay, best score first.

    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        order = rest[_overlaps(boxes[best], boxes[rest]) <= threshold]
    return np.array(kept, dtype=np.intp)


def merge(rows: Rows, threshold: float) -> Rows:
    """Make one row of all rows that mean one face.

    Non-maximum suppression chooses the faces; the place of each is then the mean over the rows
    that agree with it, weighted by score. Measured on LFW, that takes a third off the scatter of
    the landmarks between a photo and its mirror image.

    Args:
        rows: (N, 15) rows as :func:`decode` returns them.
        threshold: as for :func:`non_maximum_suppression`.

    Returns:
        (K, 15) rows, best score first.

    """
    merged = rows[non_maximum_suppression(rows[:, 1:5], rows[:, 0], threshold)]
    for row in merged:
        same = rows[_overlaps(row[1:5], rows[:, 1:5]) >= _AGREEING]
        row[1:] = np.average(same[:, 1:], axis=0, weights=same[:, 0])
    return merged


def drop_parts(rows: Rows, height: int, width: int) -> Rows:
    """Drop what lies within a clearly better find: an ear, or a face and its mirror image.

    A face that is itself sure stays, as it may be a child's before a grown-up's.

    Args:
        rows: (N, 15) rows as :func:`decode` returns them, in photo pixels.
        height: of the photo.
        width: of the photo.

    Returns:
        The rows that stay, in the order given.

    """
    low, high = rows[:, 1:3].clip(min=0), rows[:, 3:5].clip(max=[width, height])
    area = (high - low).clip(0).prod(axis=1)
    inner = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    within = inner.clip(0).prod(axis=2) >= _WITHIN * area[:, None]
    better = rows[:, 0] >= rows[:, :1] + _CLEARLY
    kept: Rows = rows[~(within & better).any(axis=1)]
    return kept


def _overlaps(box: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union of one box (4,) with each of (N, 4); 0 where both are empty."""
    shared = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    inner = shared.clip(0).prod(axis=1)
    outer = (box[2:] - box[:2]).clip(0).prod() + (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    share: NDArray[np.floating] = inner / np.maximum(outer - inner, np.finfo(np.float32).tiny)
    return share


def _to_photo(values: Rows, origin: tuple[int, int], factors: tuple[float, float]) -> Rows:
    """Take (N, 14) coordinates of a view, whose ``origin`` is in level pixels, to the photo.

    The network counts from the corner of the first pixel, photo coordinates from its centre:
    without the half pixel, finds in a photo and in its mirror image are one pixel apart.
    """
    moved: Rows = (values + np.tile(origin, 7)) / np.tile(factors, 7) - 0.5
    return moved.astype(np.float32)


def _scaled(
    pixels: NDArray[np.uint8], scale: float
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Resize a photo and add its mirrored rim; also the exact factors of width and height."""
    height, width = pixels.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if size != (width, height):
        image = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
    rim = ((_RIM, _RIM), (_RIM, _RIM), (0, 0))
    return np.pad(pixels, rim, mode="reflect"), (size[0] / width, size[1] / height)


def _view(level: NDArray[np.uint8], left: int, top: int) -> NDArray[np.uint8]:
    tile = level[top : top + _SIDE, left : left + _SIDE]
    missing = ((0, _SIDE - tile.shape[0]), (0, _SIDE - tile.shape[1]), (0, 0))
    return np.pad(tile, missing, constant_values=_GREY)


def _whole(rows: Rows, left: int, top: int, height: int, width: int) -> NDArray[np.bool_]:
    """Which boxes of a view are not cut by it; a neighbour or a coarser scale shows the others."""
    ends = np.array([left > 0, top > 0, left + _SIDE < width, top + _SIDE < height])
    room = np.hstack([rows[:, 1:3], _SIDE - rows[:, 3:5]])
    whole: NDArray[np.bool_] = ((room >= _EDGE) | ~ends).all(axis=1)
    return whole


def _credible(rows: Rows, height: int, width: int, min_face: int) -> Rows:
    """Rows that are large enough, and that are no mirror image in the rim."""
    sides = rows[:, 3:5] - rows[:, 1:3]
    seen = rows[:, 3:5].clip(max=[width, height]) - rows[:, 1:3].clip(min=0)
    visible = seen.clip(0).prod(axis=1) / sides.prod(axis=1)
    credible: Rows = rows[(sides.max(axis=1) >= min_face) & (visible >= _LEAST_VISIBLE)]
    return credible


def _to_detection(row: Rows) -> Detection:
    left, top, right, bottom = (float(value) for value in row[1:5])
    return Detection((left, top, right, bottom), float(row[0]), row[5:].reshape(5, 2).copy())


def _check(pixels: NDArray[np.uint8], score: float, nms: float, min_face: int) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise UsageError(
            f"pixels must be uint8 (H, W, 3) RGB, not {pixels.dtype} {tuple(pixels.shape)}"
        )
    if not 0 < score <= 1:
        raise UsageError(f"score_threshold must be above 0 and at most 1, not {score}")
    if not 0 <= nms <= 1:
        raise UsageError(f"nms_threshold must be from 0 to 1, not {nms}")
    if min_face < 1:
        raise UsageError(f"min_face must be at least 1 pixel, not {min_face}")


def _open_session(model: Path, threads: int | None) -> Any:
    session = open_session(model, threads or 0, what="YuNet")
    shape = [(put.name, put.shape) for put in session.get_inputs()]
    if shape != [("input", [1, 3, _SIDE, _SIDE])] or not set(_HEADS) <= {
        put.name for put in session.get_outputs()
    }:
        raise WeightsError(f"{model} is not the network of yunet-2023mar: its inputs are {shape}")
    return session
