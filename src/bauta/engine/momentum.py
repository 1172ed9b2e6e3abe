"""Momentum and its variants: from gradients to the direction of a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

#: Gradient of the loss at a perturbation, (B, 3, S, S) to (B, 3, S, S).
GradientAt = Callable[[Tensor], Tensor]


def normalised(gradient: Tensor) -> Tensor:
    """Gradient scaled to a mean absolute value of 1 per face."""
    size = gradient.abs().mean(dim=(1, 2, 3), keepdim=True)
    return gradient / size.clamp_min(1e-20)


class Direction(ABC):
    """Rule that turns gradients into the direction of the next step."""

    @abstractmethod
    def __call__(
        self,
        delta: Tensor,
        velocity: Tensor,
        gradient_at: GradientAt,
        step: float,
        generator: Generator,
    ) -> Tensor:
        """Return the next velocity, (B, 3, S, S), along which the loss grows.

        Args:
            delta: (B, 3, S, S) perturbation, in grey levels.
            velocity: the last velocity; zero at first.
            gradient_at: gradient of the loss.
            step: size of a step in grey levels.
            generator: where randomness comes from; on the CPU.

        """


@dataclass(frozen=True, kw_only=True)
class Momentum(Direction):
    """MI-FGSM (Dong et al., CVPR 2018); with ``nesterov`` NI-FGSM (Lin et al., ICLR 2020).

    Args:
        decay: share of the velocity that is kept; 0 gives plain gradients.
        nesterov: take the gradient where the velocity would lead.

    """

    decay: float = 1.0
    nesterov: bool = False

    def __call__(
        self,
        delta: Tensor,
        velocity: Tensor,
        gradient_at: GradientAt,
        step: float,
        generator: Generator,
    ) -> Tensor:
        """Accumulate gradients; see :class:`Direction`."""
        del generator
        ahead = delta - step * self.decay * velocity.sign() if self.nesterov else delta
        return self.decay * velocity + normalised(gradient_at(ahead))


@dataclass(frozen=True, kw_only=True)
class VarianceTuned(Direction):
    """Gradients averaged over neighbours: VMI-FGSM (Wang and He, CVPR 2021), in its batch form.

    Args:
        decay: share of the velocity that is kept.
        neighbours: points looked at besides the perturbation itself.
        radius: their largest distance, in steps.

    """

    decay: float = 1.0
    neighbours: int = 4
    radius: float = 3.0

    def __call__(
        self,
        delta: Tensor,
        velocity: Tensor,
        gradient_at: GradientAt,
        step: float,
        generator: Generator,
    ) -> Tensor:
        """Accumulate averaged gradients; see :class:`Direction`."""
        total = normalised(gradient_at(delta))
        for _ in range(self.neighbours):
            noise = 2 * torch.rand(1, *delta.shape[1:], generator=generator).to(delta) - 1
            total = total + normalised(gradient_at(delta + self.radius * step * noise))
        return self.decay * velocity + normalised(total)
