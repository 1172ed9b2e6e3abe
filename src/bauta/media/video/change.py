"""New pixels in the samples of a frame: only what changed is coded anew."""

import numpy as np
import numpy.typing as npt

from bauta.media.kinds import Pixels
from bauta.media.orient import upright
from bauta.media.video.colour import Coding, Planes, encoded, planes_of
from bauta.media.video.read import Frame


def changed_planes(frame: Frame, pixels: Pixels, coding: Coding, orientation: int) -> Planes:
    """Return the upright luma and chroma of ``frame`` with the new ``pixels``.

    Where a pixel did not change, the decoded samples stay, so that nothing is lost by way of RGB.
    Where it changed, the new sample depends on the new pixels alone: no trace of what was covered
    remains. Chroma changes in whole blocks of 2 x 2 pixels.

    Args:
        frame: as it was read.
        pixels: (H, W, 3) uint8 RGB, 0-255, of the same size.
        coding: of the video.
        orientation: of the stored samples, 1 to 8 as in EXIF.

    """
    y, cb, cr = (upright(plane, orientation) for plane in planes_of(frame._picture, coding))
    changed = (pixels != frame.pixels).any(axis=2)
    if not changed.any():
        return y, cb, cr
    top, bottom = _even_span(changed.any(axis=1))
    left, right = _even_span(changed.any(axis=0))
    before = min(left, 2)  # chroma weighs in the column to the left
    new_y, *new_chroma = encoded(pixels[top:bottom, left - before : right], coding)
    part = changed[top:bottom, left:right]
    y = _replaced(y, top, left, new_y[:, before:], part)
    cb, cr = (
        _replaced(old, top // 2, left // 2, new[:, before // 2 :], _blocks(part))
        for old, new in zip((cb, cr), new_chroma, strict=True)
    )
    return y, cb, cr


def padded(planes: Planes) -> Planes:
    """Repeat the last row and column of the luma where the picture has an odd size."""
    y, cb, cr = planes
    height, width = y.shape
    return np.pad(y, ((0, height % 2), (0, width % 2)), "edge"), cb, cr


def _even_span(marks: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """First and last marked place, widened to whole pairs but for the end of the picture."""
    places = np.flatnonzero(marks)
    first, last = int(places[0]), int(places[-1])
    return first - first % 2, min(last + 2 - last % 2, len(marks))


def _blocks(changed: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which blocks of 2 x 2 pixels have a change in them."""
    height, width = changed.shape
    whole = np.pad(changed, ((0, height % 2), (0, width % 2)))
    return whole[::2, ::2] | whole[1::2, ::2] | whole[::2, 1::2] | whole[1::2, 1::2]


def _replaced(
    old: Pixels, top: int, left: int, new: Pixels, where: npt.NDArray[np.bool_]
) -> Pixels:
    out = old.copy()
    height, width = new.shape
    np.copyto(out[top : top + height, left : left + width], new, where=where)
    return out
