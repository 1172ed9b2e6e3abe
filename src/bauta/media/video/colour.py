"""Between RGB and the luma and chroma that videos store."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bauta.errors import MediaError
from bauta.media.kinds import Pixels
from bauta.media.video.facts import ColourTags

if TYPE_CHECKING:
    import av

Planes = tuple[Pixels, Pixels, Pixels]
"""Luma (H, W) and the two chroma planes (ceil(H / 2), ceil(W / 2)), uint8."""

_FULL, _LIMITED = 2, 1
_RGB, _SILENT, _RESERVED = 0, 2, 3
_BT709, _BT601 = 1, 6
# Shares of red and blue in the luma (ITU-T H.273, table 4).
_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.601, 625 lines
    6: (0.299, 0.114),  # BT.601, 525 lines
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
}
# swscale knows both kinds of BT.601 by one number; the others are those of H.273.
_SWSCALE = {6: 5}
# Bilinear, chroma interpolated for every pixel, exact rounding, the same on every machine. Without
# these flags swscale is quicker and 1.4 levels too dark.
_FLAGS = 0x2 | 0x2000 | 0x40000 | 0x80000


@dataclass(frozen=True)
class Coding:
    """How luma and chroma are made of RGB.

    Attributes:
        matrix: code point of H.273, one of the keys of the table of weights.
        full: whether the samples use the full range 0-255.

    """

    matrix: int
    full: bool


def coding_of(tags: ColourTags, width: int, height: int, name: str) -> Coding:
    """Return the coding that ``tags`` stand for.

    A silent file is taken as players take it: BT.601 up to the size of standard definition,
    BT.709 above, limited range. RGB files have no coding; they get that of their size, too.

    Args:
        tags: of the stream.
        width: of the stored picture in pixels.
        height: of the stored picture in pixels.
        name: of the file, for messages.

    Raises:
        MediaError: the matrix is one that Bauta does not know.

    """
    matrix = tags.matrix
    if matrix in (_RGB, _SILENT, _RESERVED):
        matrix = usual_matrix(width, height)
    if matrix not in _WEIGHTS:
        raise MediaError(
            f"{name} stores its colours in an unusual way (matrix {matrix} of H.273): "
            "convert it to BT.709 first"
        )
    return Coding(matrix, tags.range == _FULL)


def usual_matrix(width: int, height: int) -> int:
    """Return the matrix that players assume for a silent file of this size in pixels."""
    return _BT709 if width >= 1280 or height > 576 else _BT601


def rgb_of(picture: "av.VideoFrame", coding: Coding) -> Pixels:
    """Return the (H, W, 3) uint8 RGB, 0-255, of a decoded ``picture``, as it is stored."""
    frame = _converted(picture, coding, "rgb24", _FULL)
    return _rows(frame.planes[0], frame.width * 3).reshape(frame.height, frame.width, 3)


def planes_of(picture: "av.VideoFrame", coding: Coding) -> Planes:
    """Return the luma and chroma of a decoded ``picture``, in 4:2:0 and 8 bits, as it is stored.

    Samples that are stored so stay as they are. The planes may be those of the picture itself.
    """
    if picture.format.is_rgb:  # swscale's chroma of full range is up to a level too low
        return encoded(rgb_of(picture, coding), coding)
    frame = _converted(picture, coding, "yuv420p", _FULL if coding.full else _LIMITED)
    y, cb, cr = (_rows(plane, plane.width) for plane in frame.planes)
    return y, cb, cr


def picture_of(planes: Planes) -> "av.VideoFrame":
    """Return a picture for the encoder with a copy of ``planes``."""
    import av

    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, samples in zip(frame.planes, planes, strict=True):
        _rows(plane, plane.width)[:] = samples
    return frame


def encoded(rgb: Pixels, coding: Coding) -> Planes:
    """Return the luma and chroma of ``rgb`` (H, W, 3), rounded to the nearest level.

    Chroma is the mean of two rows, weighted 1:2:1 around the even columns, where MPEG-2 and all
    its successors place it.
    """
    red_share, blue_share = _WEIGHTS[coding.matrix]
    red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    cb = _halved((blue - luma) / (2 - 2 * blue_share))
    cr = _halved((red - luma) / (2 - 2 * red_share))
    if coding.full:
        return _levels(luma), _levels(128 + cb), _levels(128 + cr)
    scale = 224 / 255
    return _levels(16 + luma * (219 / 255)), _levels(128 + cb * scale), _levels(128 + cr * scale)


def _converted(
    picture: "av.VideoFrame", coding: Coding, pixel_format: str, levels: int
) -> "av.VideoFrame":
    matrix = _SWSCALE.get(coding.matrix, coding.matrix)
    return picture.reformat(
        format=pixel_format,
        src_colorspace=matrix,
        dst_colorspace=matrix,
        src_color_range=_FULL if coding.full else _LIMITED,
        dst_color_range=levels,
        interpolation=_FLAGS,
    )


def _rows(plane: Any, width: int) -> Pixels:
    """The samples of a ``plane`` of PyAV without the padding of its rows: a view."""
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, abs(plane.line_size))
    return (rows if plane.line_size > 0 else rows[::-1])[:, :width]


def _halved(chroma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    padded = np.pad(chroma, ((0, chroma.shape[0] % 2), (1, 1)), "edge")
    rows = (padded[::2] + padded[1::2]) / 2
    even, left, right = rows[:, 1:-1:2], rows[:, 0:-2:2], rows[:, 2::2]
    return ((left + 2 * even + right) / 4).astype(np.float32)


def _levels(samples: npt.NDArray[np.float32]) -> Pixels:
    return np.clip(np.rint(samples), 0, 255).astype(np.uint8)
