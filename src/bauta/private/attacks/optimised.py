"""Inversion of a trained network by optimisation: a face is sought that it takes for a person.

Sources: M. Fredrikson et al., CCS 2015; H. Yin et al., "DeepInversion", CVPR 2020, whose prior on
the batch norms' statistics is used too: the network remembers what it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from bauta.recognizers.networks.masked import MaskedNetwork


@dataclass(frozen=True, kw_only=True)
class Optimised:
    """How a face is sought.

    Attributes:
        steps: of Adam.
        rate: its rate, in grey levels.
        smooth: weight of the total variation, in grey levels.
        statistics: weight of the distance to the batch norms' statistics.
        seed: of all randomness.

    """

    steps: int = 400
    rate: float = 4.0
    smooth: float = 0.01
    statistics: float = 0.02
    seed: int = 0


def invert_network(
    network: MaskedNetwork,
    wanted: Tensor,
    start: Tensor,
    how: Optimised,
    *,
    progress: Callable[[int, int, float], None] | None = None,
) -> Tensor:
    """Seek faces whose embeddings are what is wanted.

    Args:
        network: the trained network, with its mask in front: the white box.
        wanted: (B, D) templates or centres of people.
        start: (3, size, size) a mean face, RGB 0-255.
        how: how to seek.
        progress: told about every step.

    Returns:
        (B, 3, size, size) RGB 0-255.

    """
    network.eval().requires_grad_(False)
    generator = Generator().manual_seed(how.seed)
    noise = 8 * torch.randn((len(wanted), *start.shape), generator=generator).to(wanted)
    x = (start.to(wanted) + noise).requires_grad_()
    target = F.normalize(wanted.float())
    optimizer = torch.optim.Adam([x], how.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.steps)
    with _statistics(network) as gaps:
        for step in range(how.steps):
            gaps.clear()
            flip = bool(torch.rand((), generator=generator) < 0.5)
            raw = network.raw(x.flip(3) if flip else x)
            away = 1 - (F.normalize(raw.float()) * target).sum(dim=1)
            loss = away.sum() + len(x) * (how.smooth * _variation(x) + how.statistics * sum(gaps))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stubs
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                x.clamp_(0, 255)
            if progress:
                progress(step + 1, how.steps, float(away.detach().mean()))
    return x.detach().round()


def _variation(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbours."""
    return x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean()


@contextmanager
def _statistics(network: nn.Module) -> Iterator[list[Tensor]]:
    """Distances of what batch norms see now from what they saw in training; cleared by the user."""
    gaps: list[Tensor] = []

    def look(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        known_mean, known_variance = norm.running_mean, norm.running_var
        if known_mean is None or known_variance is None:
            return
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        away = (mean - known_mean).square() / (known_variance + norm.eps)
        spread = (variance / (known_variance + norm.eps)).clamp(1e-3, 1e3).log().square()
        gaps.append((away + spread).mean())

    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    handles = [norm.register_forward_hook(look) for norm in norms]
    try:
        yield gaps
    finally:
        for handle in handles:
            handle.remove()
