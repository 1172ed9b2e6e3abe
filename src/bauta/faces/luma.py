"""Luma: how light a colour is, as television weighs it."""

from __future__ import annotations

from torch import Tensor

#: Weights of luma in RGB (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)


def luma(images: Tensor) -> Tensor:
    """(B, 1, H, W) luma of (B, 3, H, W) RGB images, in the same unit."""
    return (images * images.new_tensor(LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
