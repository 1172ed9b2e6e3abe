"""CMYK to naive RGB and back, without moving the black ink."""

import numpy as np
import numpy.typing as npt

from bauta.media.kinds import Samples


def to_rgb(inks: Samples) -> Samples:
    """Return (H, W, 3) naive RGB of (H, W, 4) inks, in the same depth: R = (1 - C)(1 - K)."""
    top = int(np.iinfo(inks.dtype).max)
    out = np.empty((*inks.shape[:2], 3), inks.dtype)
    for row in range(inks.shape[0]):
        light = top - inks[row, :, 3:].astype(np.int64)
        out[row] = light - (inks[row, :, :3] * light * 2 + top) // (2 * top)
    return out


def shift(inks: Samples, delta: npt.NDArray[np.int32]) -> Samples:
    """Move C, M and Y so that the naive RGB changes by ``delta`` (H, W, 3, in units of the depth).

    K stays, so no channel can become brighter than K allows; inks without a change stay exactly.
    """
    top = int(np.iinfo(inks.dtype).max)
    light = top - inks[..., 3:].astype(np.int64)
    target = np.clip(to_rgb(inks) + delta.astype(np.int64), 0, light)
    room = np.maximum(light, 1)
    colour = ((light - target) * top * 2 + room) // (2 * room)
    out = inks.copy()
    moved = (delta != 0) & (light > 0)
    out[..., :3][moved] = colour[moved].astype(inks.dtype)
    return out
