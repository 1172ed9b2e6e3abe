"""Adversarial training in one step: some faces of a batch are changed against the network.

A network that has seen such faces leans less on patterns that only it reacts to, and masks made on
it carry over better to recognizers that it does not know (J. Springer et al., "A Little Robustness
Goes a Long Way", NeurIPS 2021). One step from a random start is enough (E. Wong et al., "Fast is
better than free", ICLR 2020).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor

#: Length of the step as a multiple of the bound (Wong et al., section 4).
_STEP = 1.25


def attacked(
    crops: Tensor, loss: Callable[[Tensor], Tensor], bound: float, generator: Generator
) -> Tensor:
    """Crops changed so that the loss grows.

    Args:
        crops: (B, 3, H, W) RGB 0-255.
        loss: what the crops shall make larger.
        bound: largest change in grey levels.
        generator: where the random start comes from.

    """
    change = 2 * torch.rand(crops.shape, generator=generator).to(crops) - 1
    start = (crops + bound * change).requires_grad_(True)
    (gradient,) = torch.autograd.grad(loss(start), start)
    moved = start.detach() + _STEP * bound * gradient.sign()
    low, high = (crops - bound).clamp(min=0), (crops + bound).clamp(max=255)
    return torch.minimum(torch.maximum(moved, low), high)
