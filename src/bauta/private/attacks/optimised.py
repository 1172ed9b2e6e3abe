"""Inversion of a trained network by optimisation: a face is sought that it takes for a person.

Sources: M. Fredrikson et al., CCS 2015; H. Yin et al., "DeepInversion", CVPR 2020, whose prior on
the batch norms' statistics is used too: the network remembers what it was trained on. Pixels alone
end in noise that the network likes and nobody recognises, so faces are sought among those that the
attacker's own faces span (M. Turk and A. Pentland, "Eigenfaces", 1991), and shifted at random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from bauta.recognizers.networks.masked import MaskedNetwork

#: Faces are shifted by so many pixels at most while they are sought.
_SHIFT = 4


@dataclass(frozen=True, kw_only=True)
class Optimised:
    """How a face is sought.

    Attributes:
        steps: of Adam.
        rate: its rate, in standard deviations of a component.
        usual: weight of how unusual the face is: the mean square of its components.
        statistics: weight of the distance to the batch norms' statistics.
        seed: of all randomness.

    """

    steps: int = 400
    rate: float = 0.1
    usual: float = 0.1
    statistics: float = 0.02
    seed: int = 0


@dataclass(frozen=True, eq=False)
class FacePrior:
    """What faces look like.

    Attributes:
        mean: (3, size, size) RGB 0-255.
        basis: (K, 3, size, size) grey levels of one standard deviation of each component.

    """

    mean: Tensor
    basis: Tensor

    def faces(self, components: Tensor) -> Tensor:
        """(B, 3, size, size) RGB 0-255 of (B, K) components."""
        return (self.mean + torch.einsum("bk,kchw->bchw", components, self.basis)).clamp(0, 255)


def face_prior(faces: Tensor, components: int = 250) -> FacePrior:
    """Principal components of faces.

    Args:
        faces: (N, 3, size, size) RGB 0-255.
        components: how many, fewer than faces.

    """
    mean = faces.mean(dim=0)
    flat = (faces - mean).flatten(1)
    # There are fewer faces than pixels, so their products with each other are the smaller matrix.
    mixes = torch.linalg.eigh(flat @ flat.T).eigenvectors
    keep = min(components, len(flat) - 1)
    best = mixes[:, -keep:].flip(1)
    basis = (best.T @ flat) / len(flat) ** 0.5
    return FacePrior(mean, basis.reshape(keep, *mean.shape))


def invert_network(
    network: MaskedNetwork,
    wanted: Tensor,
    prior: FacePrior,
    how: Optimised,
    *,
    progress: Callable[[int, int, float], None] | None = None,
) -> Tensor:
    """Seek faces whose embeddings are what is wanted.

    Args:
        network: the trained network, with its mask in front: the white box.
        wanted: (B, D) templates or centres of people.
        prior: what faces look like.
        how: how to seek.
        progress: told about every step.

    Returns:
        (B, 3, size, size) RGB 0-255.

    """
    network.eval().requires_grad_(False)
    generator = Generator().manual_seed(how.seed)
    noise = 0.1 * torch.randn((len(wanted), len(prior.basis)), generator=generator)
    z = noise.to(wanted).requires_grad_()
    target = F.normalize(wanted.float())
    optimizer = torch.optim.Adam([z], how.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.steps)
    with _statistics(network) as gaps:
        for step in range(how.steps):
            gaps.clear()
            raw = network.raw(_moved(prior.faces(z), generator))
            away = 1 - (F.normalize(raw.float()) * target).sum(dim=1)
            unusual = how.usual * z.square().mean(dim=1).sum()
            loss = away.sum() + unusual + len(z) * how.statistics * sum(gaps)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch's stubs
            optimizer.step()
            schedule.step()
            if progress:
                progress(step + 1, how.steps, float(away.detach().mean()))
    return prior.faces(z.detach()).round()


def _moved(faces: Tensor, generator: Generator) -> Tensor:
    """Faces shifted by some pixels, and mirrored or not: all of them alike."""
    rows, columns = torch.randint(-_SHIFT, _SHIFT + 1, (2,), generator=generator).tolist()
    moved = F.pad(faces, [_SHIFT] * 4, mode="replicate")
    height, width = faces.shape[2:]
    top, left = _SHIFT + rows, _SHIFT + columns
    moved = moved[:, :, top : top + height, left : left + width]
    return moved.flip(3) if float(torch.rand((), generator=generator)) < 0.5 else moved


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
