"""A contact sheet: the photo and the views made from it, with what was changed below each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bauta.errors import UsageError
from bauta.views.base import View

#: Side of a picture, and the margin around it, in pixels.
_SIDE, _GAP = 300, 10
#: Lines of a caption, their height in pixels, and the size of their letters.
_LINES, _LINE, _LETTERS = 3, 14, 12


def sheet_of(
    views: Sequence[View], original: NDArray[np.uint8], *, columns: int = 3
) -> NDArray[np.uint8]:
    """Lay the photo and its views out on white.

    Args:
        views: from an engine.
        original: (H, W, 3) uint8 RGB photo, or the part of it around the face.
        columns: pictures in a row.

    Returns:
        (h, w, 3) uint8 RGB.

    Raises:
        UsageError: ``columns`` is below 1.

    """
    if columns < 1:
        raise UsageError(f"a sheet needs at least one column, not {columns}")
    cells = [(original, "the photo"), *((view.pixels, view.about) for view in views)]
    rows = -(-len(cells) // columns)
    wide, high = _SIDE + _GAP, _SIDE + _GAP + _LINES * _LINE
    sheet = Image.new("RGB", (columns * wide + _GAP, rows * high + _GAP), "white")
    for number, (pixels, words) in enumerate(cells):
        down, right = divmod(number, columns)
        _put(sheet, pixels, words, (_GAP + right * wide, _GAP + down * high))
    return np.array(sheet)


def _put(
    sheet: Image.Image, pixels: NDArray[np.uint8], words: str, corner: tuple[int, int]
) -> None:
    """Put a picture and its caption where ``corner`` (x, y) is its cell's upper left one."""
    picture = Image.fromarray(pixels)
    factor = _SIDE / max(picture.size)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    x, y = corner
    sheet.paste(picture, (x + (_SIDE - size[0]) // 2, y + (_SIDE - size[1]) // 2))
    font = ImageFont.load_default(_LETTERS)
    text = "\n".join(_wrapped(words, font)[:_LINES])
    ImageDraw.Draw(sheet).multiline_text((x, y + _SIDE + 2), text, fill=(40, 40, 40), font=font)


def _wrapped(words: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
    """Lines, broken between words, that are no wider than a picture."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > _SIDE:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
