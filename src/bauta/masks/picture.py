"""What a personal mask looks like: magnified, since worn it can hardly be seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from bauta.keys.mask import PersonalMask

#: Side of a picture in pixels, the room between two, and every which point of a flow is drawn.
_SIDE, _GAP = 448, 12
#: How many times longer than they are displacements are drawn.
_LONGER = 8
_PAPER, _INK, _DOT = (255, 255, 255), (40, 40, 40), 1.5


def mask_picture(mask: PersonalMask) -> NDArray[np.uint8]:
    """Draw a family of masks.

    Above, what is added: middle grey is nothing, black and white the largest change. Below, where
    pixels are fetched from, eight times as far away as they are.

    Args:
        mask: the family.

    Returns:
        (H, W, 3) uint8 RGB.

    """
    rows = 2 if len(mask.flows) else 1
    step = _SIDE + _GAP
    sheet = Image.new("RGB", (step * len(mask.deltas) + _GAP, step * rows + _GAP), _PAPER)
    for at, delta in enumerate(mask.deltas):
        sheet.paste(_magnified(delta, mask.facts.peak), (_GAP + step * at, _GAP))
    for at, flow in enumerate(mask.flows):
        sheet.paste(_arrows(flow), (_GAP + step * at, _GAP + step))
    return np.asarray(sheet)


def _magnified(delta: NDArray[np.float16], peak: float) -> Image.Image:
    values = 127.5 * (1 + delta.astype(np.float32).transpose(1, 2, 0) / peak)
    image = Image.fromarray(np.uint8(np.round(values.clip(0, 255))))
    return image.resize((_SIDE, _SIDE), Image.Resampling.NEAREST)


def _arrows(flow: NDArray[np.float16]) -> Image.Image:
    image = Image.new("RGB", (_SIDE, _SIDE), _PAPER)
    draw = ImageDraw.Draw(image)
    grid = flow.shape[-1]
    for row in range(grid):
        for column in range(grid):
            x, y = ((at + 0.5) / grid * _SIDE for at in (column, row))
            dx, dy = flow[:, row, column].astype(float) * _SIDE * _LONGER
            draw.line((x, y, x + dx, y + dy), fill=_INK, width=2)
            draw.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), fill=_INK)
    return image
