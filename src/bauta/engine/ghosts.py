"""Ghosts of a surrogate: networks a little beside it, one per step, so that a mask fools them all.

Source: Y. Li et al., "Learning Transferable Adversarial Examples via Ghost Networks", AAAI 2020.
There, dropout and random weights of shortcuts make the ghosts; here, a random gain of every channel
that a convolution reads, put into its weights, which costs an eighth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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


@contextmanager
def haunted(network: nn.Module, strength: float, generator: Generator) -> Iterator[None]:
    """Let every image see a ghost of its own, for training: as :func:`ghost`, but with gradients.

    Networks that learn like this stay good as ghosts, which may then differ more (Q. Li et al.,
    "Making Substitute Models More Bayesian Can Enhance Transferability of Adversarial Examples",
    ICLR 2023, who do the same with noise on all weights).

    Args:
        network: any network; all but its ``nn.Conv2d`` stay as they are.
        strength: standard deviation of the gains about 1; 0 changes nothing.
        generator: where randomness comes from; on the CPU.

    """

    def gains(x: Tensor) -> Tensor:
        return 1 + strength * torch.randn(*x.shape[:2], 1, 1, generator=generator)

    with _read_with(network, gains if strength else None):
        yield


@contextmanager
def thinned(network: nn.Module, rate: float, generator: Generator) -> Iterator[None]:
    """Drop a random share of what every convolution reads.

    Source: Y. Zhong and W. Deng, "Towards Transferable Adversarial Attack against Deep Face
    Recognition" (DFANet), TIFS 2021.

    Args:
        network: any network; all but its ``nn.Conv2d`` stay as they are.
        rate: share that is dropped; the rest grows to make up for it. 0 changes nothing.
        generator: where randomness comes from; on the CPU. All images lose the same.

    """

    def gains(x: Tensor) -> Tensor:
        kept = torch.rand(1, *x.shape[1:], generator=generator) >= rate
        return kept / (1 - rate)

    with _read_with(network, gains if rate else None):
        yield


@contextmanager
def _read_with(network: nn.Module, gains: Callable[[Tensor], Tensor] | None) -> Iterator[None]:
    """Multiply what every convolution reads."""

    def change(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        x = inputs[0]
        return (x * gains(x).to(x), *inputs[1:]) if gains else inputs

    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)] if gains else []
    hooks = [module.register_forward_pre_hook(change) for module in convolutions]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
