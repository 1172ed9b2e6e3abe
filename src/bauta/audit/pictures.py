"""Pictures of a protection for reports: scaled, cropped, magnified, side by side."""

from __future__ import annotations

import base64
import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Kind = Literal["JPEG", "PNG", "WEBP"]
Box = tuple[float, float, float, float]

#: How much :func:`magnified` enlarges a change.
MAGNIFICATION = 10
_GREY = 128


def scaled(
    pixels: Pixels, side: int, resampling: Image.Resampling = Image.Resampling.LANCZOS
) -> Pixels:
    """Shrink a picture until its longer side is at most ``side``; smaller ones stay as they are.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        side: pixels, at least 1.
        resampling: NEAREST keeps the strength of a magnified difference, which the others average
            away where it is fine-grained.

    """
    height, width = pixels.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return pixels
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, resampling))


def cropped(pixels: Pixels, box: Box, margin: float = 0.25) -> Pixels:
    """Cut the square around a face, moved so that it lies within the picture.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        box: (left, top, right, bottom) in pixels; may reach beyond the picture.
        margin: added on every side, in units of the box's longer side.

    Returns:
        A view of the square; its side is at most the picture's shorter side.

    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    wanted = max(right - left, bottom - top) * (1 + 2 * margin)
    side = int(np.clip(round(wanted), 1, min(height, width)))
    x = int(np.clip(round((left + right - side) / 2), 0, width - side))
    y = int(np.clip(round((top + bottom - side) / 2), 0, height - side))
    return pixels[y : y + side, x : x + side]


def magnified(before: Pixels, after: Pixels, factor: int = MAGNIFICATION) -> Pixels:
    """Show what changed: the difference, ``factor`` times as large, around middle grey.

    Changes of more than 127 / ``factor`` grey levels saturate.

    Args:
        before: (H, W, 3) uint8 RGB.
        after: the same shape.
        factor: how much larger.

    """
    change = after.astype(np.int32) - before.astype(np.int32)
    return np.clip(_GREY + factor * change, 0, 255).astype(np.uint8)


def side_by_side(
    before: Pixels,
    after: Pixels,
    box: Box | None = None,
    *,
    side: int = 480,
    gap: int = 12,
    difference: bool = True,
) -> Pixels:
    """Put before, after and the magnified difference next to each other, on white.

    Args:
        before: (H, W, 3) uint8 RGB.
        after: the same shape.
        box: show only the square around this (left, top, right, bottom); None: all.
        side: the longer side of each panel, in pixels; smaller ones are not enlarged.
        gap: between the panels, in pixels.
        difference: whether to add the magnified difference as a third panel.

    Returns:
        (h, w, 3) uint8 RGB.

    """
    if box is not None:
        before, after = cropped(before, box), cropped(after, box)
    panels = [scaled(before, side), scaled(after, side)]
    if difference:
        panels.append(scaled(magnified(before, after), side, Image.Resampling.NEAREST))
    white = np.full((panels[0].shape[0], gap, 3), 255, dtype=np.uint8)
    row = [part for panel in panels for part in (white, panel)][1:]
    return np.concatenate(row, axis=1)


def encoded(pixels: Pixels, kind: Kind = "JPEG", *, quality: int = 90) -> bytes:
    """Encode pixels, and nothing but pixels: no EXIF, no profile, no text.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        kind: "JPEG" (without chroma subsampling, so that small changes stay visible), "PNG" or
            "WEBP" (both lossless).
        quality: of JPEG, 1 to 95.

    """
    image, out = Image.fromarray(np.ascontiguousarray(pixels)), io.BytesIO()
    if kind == "JPEG":
        image.save(out, kind, quality=quality, subsampling=0)
    elif kind == "PNG":
        image.save(out, kind, optimize=True)
    else:
        image.save(out, kind, lossless=True)
    return out.getvalue()


def data_uri(pixels: Pixels, kind: Kind = "JPEG", *, quality: int = 90) -> str:
    """Encode pixels as :func:`encoded` does, into a ``data:`` address for a web page."""
    text = base64.b64encode(encoded(pixels, kind, quality=quality)).decode("ascii")
    return f"data:image/{kind.lower()};base64,{text}"
