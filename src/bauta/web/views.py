"""Pictures that the page shows: a photo and its faces, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from bauta.audit.pictures import Box, Pixels, cropped, scaled
from bauta.faces.face import Face

_WHOLE, _FACE = 1600, 900


def write_views(
    pixels: Pixels, boxes: Sequence[Box], folder: Path, when: str, *, profile: bytes | None
) -> None:
    """Write ``WHEN-0.jpg``, the whole photo, and ``WHEN-1.jpg`` and so on, its faces.

    Args:
        pixels: (H, W, 3) uint8 RGB, upright.
        boxes: (left, top, right, bottom) of the faces, in pixels.
        folder: where to write.
        when: "before" or "after".
        profile: ICC profile of the pixels, so that the browser shows their true colours.

    """
    pictures = [scaled(pixels, _WHOLE), *(scaled(cropped(pixels, box), _FACE) for box in boxes)]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(
            folder / f"{when}-{number}.jpg", quality=94, subsampling=0, icc_profile=profile
        )


def box_of(face: Face) -> Box:
    """Box of a face as plain numbers."""
    left, top, right, bottom = (float(edge) for edge in face.box)
    return left, top, right, bottom
