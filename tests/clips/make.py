"""Clips with faces: a camera glides over portraits, without the steps of whole pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.media.video.make import Clip, make

Pixels = NDArray[np.uint8]
#: Size (width, height) of the clips: small, so that they are done in seconds.
SIZE = (192, 160)


def glide(
    portrait: Pixels,
    count: int,
    *,
    start: tuple[float, float] = (32.0, 4.0),
    step: tuple[float, float] = (0.7, 0.4),
    size: tuple[int, int] = SIZE,
) -> list[Pixels]:
    """Frames that show a portrait at half its size, from ``start`` on, moved by ``step`` a frame.

    Args:
        portrait: (H, W, 3) uint8 RGB.
        count: how many frames.
        start: (x, y) of the first frame's corner in the halved portrait, in pixels.
        step: how far the corner moves from frame to frame.
        size: (width, height) of the frames.

    """
    half = Image.fromarray(portrait).reduce(2)
    return [
        np.asarray(
            half.transform(
                size,
                Image.Transform.AFFINE,
                (1, 0, start[0] + i * step[0], 0, 1, start[1] + i * step[1]),
                Image.Resampling.BICUBIC,
            )
        )
        for i in range(count)
    ]


def empty(count: int, size: tuple[int, int] = SIZE) -> list[Pixels]:
    """Frames of a room without anybody."""
    rows = np.linspace(40, 200, size[1])[:, None, None]
    return [np.broadcast_to(rows, (size[1], size[0], 3)).astype(np.uint8).copy()] * count


def save(path: Path, frames: Sequence[Pixels], **holds: object) -> Path:
    """Write frames as a clip of high quality."""
    height, width = frames[0].shape[:2]
    clip = Clip(**{"size": (width, height), "options": {"crf": "12"}, "sound": None, **holds})
    return make(path, clip, frames)
