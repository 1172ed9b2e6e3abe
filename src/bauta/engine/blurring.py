"""The blur that tells fine details from the rest."""

from __future__ import annotations

from torch import Tensor


def blurred(frames: Tensor, sigma: float) -> Tensor:
    """(B, C, S, S) frames after a Gaussian blur, ``sigma`` in pixels."""
    from kornia.filters import gaussian_blur2d

    side = 2 * int(3 * sigma) + 1
    out: Tensor = gaussian_blur2d(frames, (side, side), (sigma, sigma))
    return out
