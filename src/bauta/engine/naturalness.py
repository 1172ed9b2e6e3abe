"""Naturalness: maximum mean discrepancy between protected and real faces (TIP-IM, equation 6)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: The 19 bandwidths of the published code, for pixel vectors.
BANDWIDTHS = (
    1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 5, 10, 15, 20, 25, 30, 35, 100, 1e3, 1e4, 1e5, 1e6,
)  # fmt: skip


def mmd(x: Tensor, y: Tensor, bandwidths: Sequence[float] = BANDWIDTHS) -> Tensor:
    """Squared maximum mean discrepancy with a bank of Gaussian kernels, biased estimate.

    Source: Gretton et al., "A kernel two-sample test", JMLR 2012, equation 5; kernels as in
    Borgwardt et al. 2006.

    Args:
        x: (N, D) samples.
        y: (M, D) samples.
        bandwidths: sigma^2 of the kernels exp(-||a - b||^2 / (2 sigma^2)).

    Returns:
        Scalar, at least 0, 0 for equal sets. Differentiable.

    """
    points = torch.cat([x, y])
    squares = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist").square()
    kernel = torch.stack([torch.exp(-squares / (2 * b)) for b in bandwidths]).sum(0)
    n = x.shape[0]
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
