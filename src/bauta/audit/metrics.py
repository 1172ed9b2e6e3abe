"""How far two photos differ."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from kornia.metrics import ssim as kornia_ssim
from numpy.typing import NDArray
from PIL import Image

from bauta.errors import MissingExtraError
from bauta.faces.luma import LUMA

_WINDOW = 11
_BAND = 256
#: The fifth scale must still hold a window.
_SMALLEST_MS = (_WINDOW - 1) * 16


def psnr(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of two equally large uint8 pictures, in dB; infinite if equal."""
    total = sum(int(np.square(d, dtype=np.int32).sum(dtype=np.int64)) for d in _differences(a, b))
    return math.inf if total == 0 else 10 * math.log10(255**2 * a.size / total)


def largest_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """Largest difference of any sample, in grey levels."""
    return max((int(np.abs(d).max(initial=0)) for d in _differences(a, b)), default=0)


def _differences(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> Iterator[NDArray[np.int16]]:
    """B - a in bands of rows, so that a large photo needs no copies of its own size."""
    for row in range(0, a.shape[0], _BAND):
        yield b[row : row + _BAND].astype(np.int16) - a[row : row + _BAND]


def ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean structural similarity of luma, 11 px Gaussian window of sigma 1.5.

    Source: Wang et al., "Image quality assessment", TIP 2004. As its authors advise and their code
    does, large pictures are first averaged down to about 256 px on the shorter side, the scale at
    which they are seen whole.

    Args:
        a: (H, W, 3) uint8 RGB.
        b: the same shape.

    Returns:
        At most 1; 1 for equal pictures. Pictures smaller than the window give NaN.

    """
    if min(a.shape[:2]) < _WINDOW:
        return math.nan
    x, y = (_luma(reduced(p)) for p in (a, b))
    values = kornia_ssim(x, y, window_size=_WINDOW, max_val=255.0)
    half = _WINDOW // 2
    return float(values[..., half:-half, half:-half].mean())


def ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Multi-scale structural similarity of luma, at five scales of the photo as it is.

    Source: Z. Wang et al., "Multi-scale structural similarity", Asilomar 2003; by torchmetrics.

    Args:
        a: (H, W, 3) uint8 RGB.
        b: the same shape.

    Returns:
        At most 1; 1 for equal pictures. Pictures of 160 pixels or less on a side give NaN.

    Raises:
        MissingExtraError: torchmetrics is not installed.

    """
    try:
        from torchmetrics.functional.image import (
            multiscale_structural_similarity_index_measure as measure,
        )
    except ImportError as error:
        raise MissingExtraError("MS-SSIM", "bench") from error
    if min(a.shape[:2]) <= _SMALLEST_MS:
        return math.nan
    return float(measure(_luma(a), _luma(b), data_range=255.0))


def reduced(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) photo averaged down to about 256 px on the shorter side; small ones as they are."""
    factor = max(1, round(min(pixels.shape[:2]) / 256))
    return pixels if factor == 1 else np.asarray(Image.fromarray(pixels).reduce(factor))


def _luma(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """(1, 1, H, W) luma, 0-255, ITU-R BT.601."""
    weights = np.array(LUMA, dtype=np.float32)
    return torch.from_numpy(pixels.astype(np.float32) @ weights)[None, None]
