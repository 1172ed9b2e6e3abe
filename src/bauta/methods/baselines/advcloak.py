"""AdvCloak-style: a small network per person, which makes a mask of its own for every photo.

Source: X. Liu et al., "AdvCloak: Customized Adversarial Cloak for Privacy Protection", arXiv
2312.14407. Its two stages are kept: masks that fit the single image first, then masks that lead
away from the subspace of the person's embeddings. Its discriminator and its training on many
people before are not: the limit keeps masks small, and the network starts anew for each person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from bauta.engine.loop import EarlyStop, IterativeMethod, StepProgress
from bauta.engine.problem import Problem
from bauta.engine.shared import SharedProblem
from bauta.engine.transforms import NONE
from bauta.faces.frame import frames_of
from bauta.methods.baselines.base import Setting, baseline

_STEPS, _RATE = 120, 3e-4
#: Share of the steps in which masks are adapted to the single image.
_FIRST = 0.4


class Cloaker(nn.Module):
    """A photo's face in, its mask out.

    Args:
        epsilon: largest change of any sample, in grey levels.

    """

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, 2, 2), nn.LeakyReLU(0.2),
            nn.Conv2d(16, 32, 3, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(32, 32, 3, 1, 1), nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, 1, 1), nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2), nn.Conv2d(16, 3, 5, 1, 2), nn.Tanh(),
        )  # fmt: skip

    def forward(self, frames: Tensor) -> Tensor:
        """(B, 3, S, S) frames, RGB 0-255, S a multiple of 4, to as many masks in grey levels."""
        masks: Tensor = self.layers(frames / 127.5 - 1)
        return self.epsilon * masks


@dataclass(frozen=True, kw_only=True)
class AdvCloak(IterativeMethod):
    """Fit a :class:`Cloaker` to one person's photos.

    Args:
        epsilon: largest change of any sample, in grey levels.
        rate: of Adam.

    """

    epsilon: float
    rate: float = _RATE

    def run(
        self,
        problem: Problem,
        *,
        begin: Tensor | None = None,
        stop: EarlyStop | None = None,
        progress: StepProgress | None = None,
    ) -> Tensor:
        """Masks for the photos of the fitting themselves; see :meth:`IterativeMethod.run`."""
        del begin, stop
        network = self.fit(problem, progress=progress)
        with torch.no_grad():
            return problem.project(network(_frames(problem)))

    def fit(self, problem: Problem, *, progress: StepProgress | None = None) -> Cloaker:
        """Return the network that makes this person's masks.

        Args:
            problem: a shared one, of the person's photos.
            progress: told about every step.

        """
        assert isinstance(problem, SharedProblem)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = Cloaker(self.epsilon).to(problem.masks.device)
        frames, optimizer = _frames(problem), torch.optim.Adam(network.parameters(), lr=self.rate)
        generator = torch.Generator().manual_seed(self.seed)
        single = replace(problem, away_from="photo")
        for step in range(self.steps):
            now = single if step < _FIRST * self.steps else problem
            images = now.render(now.project(network(frames)))
            seen = now.ensemble.embed(now.canvas, images, self.diversity, self.views, generator)
            parts = zip(now.ensemble.shares, self.losses(now, seen), strict=False)
            optimizer.zero_grad()
            torch.stack([share * loss.mean() for share, loss in parts]).sum().backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            optimizer.step()
            if progress:
                progress(step + 1, self.steps)
        return network.requires_grad_(False)


def _frames(problem: Problem) -> Tensor:
    """(B, 3, S, S) faces in their frames, which the loose crop is the whole of."""
    with torch.no_grad():
        return frames_of(problem.canvas, problem.size)


@baseline(
    "advcloak", "Liu et al., arXiv 2312.14407, 2023", f"{_STEPS} steps of Adam at {_RATE:g}, ours",
    away_from="convex",
)  # fmt: skip
def _advcloak(at: Setting) -> AdvCloak:
    return AdvCloak(steps=_STEPS, epsilon=at.epsilon, seed=at.seed, diversity=NONE)
