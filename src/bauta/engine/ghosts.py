"""Ghosts of a surrogate: networks a little beside it, one per step, so that a mask fools them all.

Source: Y. Li et al., "Learning Transferable Adversarial Examples via Ghost Networks", AAAI 2020.
There, dropout and random weights of shortcuts make the ghosts; here, a random gain of every channel
that a convolution reads, put into its weights, which costs an eighth of the time.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn


def ghost(network: nn.Module, strength: float, generator: Generator) -> dict[str, Tensor]:
    """Weights of a ghost of ``network``, by the names of its parameters.

    Args:
        network: any network; all but its ``nn.Conv2d`` stay as they are.
        strength: standard deviation of the gains about 1.
        generator: where randomness comes from; on the CPU.

    Returns:
        What ``torch.func.functional_call`` takes.

    """
    out = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            # A depthwise convolution reads one channel for each that it writes.
            axis = 1 if module.groups == 1 else 0
            weight = module.weight.detach()
            gains = 1 + strength * torch.randn(weight.shape[axis], generator=generator)
            shape = (1, -1, 1, 1) if axis else (-1, 1, 1, 1)
            out[f"{name}.weight" if name else "weight"] = weight * gains.to(weight).view(shape)
    return out
