"""How far two photos differ."""

from __future__ import annotations

import math

import numpy as np
import torch
from kornia.metrics import ssim as kornia_ssim
from numpy.typing import NDArray


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of two equally large uint8 pictures, in dB; infinite if equal."""
    error = float(np.mean((a.astype(np.float32) - b.astype(np.float32)) ** 2))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean structural similarity of luma, 11 px Gaussian window of sigma 1.5.

    Source: Wang et al., "Image quality assessment", TIP 2004.

    Args:
        a: (H, W, 3) uint8 RGB.
        b: the same shape.

    Returns:
        At most 1; 1 for equal pictures. Pictures smaller than the window give NaN.

    """
    if min(a.shape[:2]) < 11:
        return math.nan
    x, y = (torch.from_numpy(_luma(p))[None, None] for p in (a, b))
    values = kornia_ssim(x, y, window_size=11, max_val=255.0)[..., 5:-5, 5:-5]
    return float(values.mean())


def _luma(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) luma, 0-255, ITU-R BT.601."""
    weights = np.array([0.299, 0.587, 0.114], dtype=np.float32)
    luma: NDArray[np.float32] = pixels.astype(np.float32) @ weights
    return luma


def largest_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """Largest difference of any sample, in grey levels."""
    return int(np.abs(a.astype(np.int16) - b.astype(np.int16)).max(initial=0))
