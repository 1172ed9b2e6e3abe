"""Cuts in a video: where one shot ends and the next begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Size (width, height) of the small pictures that are compared.
_SMALL = (32, 18)
#: Mean difference of their pixels, in grey levels, and share of them whose colour has another bin
#: of a histogram, from which there is a cut. A camera that moves by a twentieth of its picture
#: changes a portrait's pixels by 34 levels, but hardly the colours that there are.
_CUT, _OTHERS = 20.0, 0.1
#: Bins of the histogram, for each channel.
_BINS = 8


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What is compared of a frame.

    Args:
        pixels: (H, W, 3) uint8 RGB.

    Returns:
        (18, 32, 3) RGB 0-255.

    """
    small = Image.fromarray(pixels).resize(_SMALL, Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def is_cut(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether a new shot begins between two frames, by their thumbnails.

    A flash of light counts too, which costs a search for faces and harms nothing. Of two shots of
    one room the second may pass for a movement; faces that cannot be followed tell of it.
    """
    if np.abs(before - after).mean() < _CUT:
        return False
    shares = np.abs(_histogram(before) - _histogram(after)).sum(axis=1) / 2
    return bool(shares.mean() >= _OTHERS)


def _histogram(small: NDArray[np.float32]) -> NDArray[np.float64]:
    """(3, 8) shares of the pixels, by channel."""
    bins = (small / (256 / _BINS)).astype(int).reshape(-1, 3)
    rows = [np.bincount(channel, minlength=_BINS) / len(bins) for channel in bins.T]
    return np.stack(rows)
