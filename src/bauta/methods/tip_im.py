"""TIP-IM: targeted identity-protection iterative method.

Source: X. Yang et al., "Towards Face Encryption by Generating Adversarial Identity Masks",
ICCV 2021, arXiv 2003.06814.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from bauta.engine.ensemble import fused
from bauta.engine.goals import Impersonate
from bauta.engine.loop import IterativeMethod, State, team_gradient
from bauta.engine.naturalness import mmd
from bauta.engine.problem import Problem
from bauta.engine.transforms import Jitter
from bauta.faces.geometry import invert, unit_to_pixels
from bauta.methods.registry import methods
from bauta.recognizers.base import Crop

#: Side of the pixel vectors whose distributions MMD compares, as the paper's 112 px crops.
_MMD_SIDE = 112
_MMD_VIEWS = 8


@methods.register("tip-im")
@dataclass(frozen=True, kw_only=True)
class TipIm(IterativeMethod):
    """Momentum sign steps that choose, at every step, the target easiest to reach.

    With the goal :class:`~bauta.engine.goals.Dodge` there is no target to choose, and what is left
    is the paper's method without its target term.

    Args:
        gamma: weight of the naturalness term. MMD is taken between the batch's protected and real
            faces when there are at least two, otherwise between random views of the one. The paper
            uses 0 to 3. Above 0 the faces of a batch influence each other, as in the paper.
        foresight: how far the search "embedding" looks ahead along the line from the person to a
            target, as a share of their distance.

    """

    gamma: float = 0.0
    foresight: float = 0.1

    def choose(self, problem: Problem, embeddings: list[Tensor]) -> Tensor | None:
        """Target with the largest gain, predicted from the embeddings at hand.

        The loss D(e, t) - D(e, own) has the constant gradient 2 (own - t) in embedding space, so a
        step toward target i moves e along t_i - own: the candidates that the paper computes with
        one backward and one forward pass each are predicted as e + foresight (t_i - own).
        """
        if not isinstance(problem.goal, Impersonate):
            return super().choose(problem, embeddings)
        own, to_targets = [], []
        rows = zip(embeddings, problem.own, problem.targets, problem.ensemble.scales, strict=True)
        for embedding, person, targets, scale in rows:
            e = embedding.detach().mean(dim=1)
            line = targets[None] - person[:, None]
            ahead = e[:, None] + self.foresight * line
            # Recognizers with embeddings of unit length stay on the sphere.
            norm = e.norm(dim=-1).view(-1, 1, 1)
            ahead = ahead * norm / ahead.norm(dim=-1, keepdim=True)
            own.append((ahead - person[:, None]).square().sum(-1) / scale)
            squares = (ahead[:, :, None] - targets[None, None]).square().sum(-1)
            to_targets.append(squares / scale)
        shares = problem.ensemble.shares
        gains = problem.goal.gains(fused(own, shares), fused(to_targets, shares))
        return gains.argmax(dim=1)

    def direction(self, problem: Problem, state: State, generator: Generator) -> Tensor:
        """Direction of the step; for exact search that of the best of K candidates."""
        goal = problem.goal
        if not isinstance(goal, Impersonate) or goal.search == "embedding":
            return super().direction(problem, state, generator)
        return self._exact_direction(problem, state, generator, goal)

    def _exact_direction(
        self, problem: Problem, state: State, generator: Generator, goal: Impersonate
    ) -> Tensor:
        """The paper's search: a backward pass per target, candidates scored by a forward pass."""
        seed = int(torch.randint(2**62, (1,), generator=generator))
        with torch.enable_grad():
            point = state.delta.detach().requires_grad_(True)
            embeddings = problem.ensemble.embed(
                problem.canvas,
                problem.render(point),
                self.diversity,
                self.views,
                torch.Generator().manual_seed(seed),
            )
            own, targets = problem.distances(embeddings)
            assert targets is not None
            penalty = self.penalty(problem, point)
            count = targets[0].shape[-1]
            gradients = [
                team_gradient(problem.ensemble, losses, point, retain=True) + penalty
                for losses in (_losses_toward(goal, own, targets, k) for k in range(count))
            ]
        step = self.step_of(problem)
        velocities = torch.stack([self._toward(state, g, step, generator) for g in gradients])
        gains = torch.stack([self._gain(problem, state, goal, v, seed) for v in velocities])
        best = gains.argmax(dim=0)
        state.velocity = velocities[best, torch.arange(len(best), device=best.device)]
        return state.velocity

    def _toward(self, state: State, gradient: Tensor, step: float, generator: Generator) -> Tensor:
        """Velocity after a step along one candidate's gradient."""
        return self.momentum(state.delta, state.velocity, lambda _: gradient, step, generator)

    def _gain(
        self, problem: Problem, state: State, goal: Impersonate, velocity: Tensor, seed: int
    ) -> Tensor:
        """(B,) gain of the candidate that a velocity leads to, under the step's own views."""
        candidate = State(state.delta, velocity, state.active)
        self.advance(problem, candidate, velocity)
        embeddings = problem.ensemble.embed(
            problem.canvas,
            problem.render(candidate.delta),
            self.diversity,
            self.views,
            torch.Generator().manual_seed(seed),
        )
        own, targets = problem.distances(embeddings)
        assert targets is not None
        shares = problem.ensemble.shares
        return goal.gains(fused(own, shares), fused(targets, shares)).mean(dim=1)

    def penalty(self, problem: Problem, delta: Tensor) -> Tensor | float:
        """Gradient of the naturalness term, gamma MMD(protected, real)."""
        if self.gamma == 0:
            return 0.0
        protected = _vectors(problem, problem.render(delta), self.seed)
        real = _vectors(problem, problem.canvas.images, self.seed)
        return torch.autograd.grad(self.gamma * mmd(protected, real), delta)[0]


def _losses_toward(
    goal: Impersonate, own: list[Tensor], targets: list[Tensor], index: int
) -> list[Tensor]:
    """Losses of all faces toward one target."""
    choice = torch.full((own[0].shape[0],), index, device=own[0].device)
    return [goal.loss(o, t, choice) for o, t in zip(own, targets, strict=True)]


def _vectors(problem: Problem, images: Tensor, seed: int) -> Tensor:
    """(N, D) pixel vectors in 0-1: the batch's faces, or random views of a single one."""
    side = _MMD_SIDE
    views = 1 if len(problem.canvas) > 1 else _MMD_VIEWS
    maps = Crop(side, invert(unit_to_pixels(side)))
    generator = torch.Generator().manual_seed(seed)
    jitter = Jitter().draw(views, generator).to(images) if views > 1 else None
    crops = maps.take(problem.canvas, images.repeat_interleave(views, dim=0), jitter)
    return crops.flatten(1) / 255
