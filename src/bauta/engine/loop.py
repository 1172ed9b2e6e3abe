"""The iterative loop that every gradient method shares, in small steps that a method overrides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from bauta.engine.ensemble import Ensemble, fused
from bauta.engine.goals import Dodge
from bauta.engine.momentum import Direction, Momentum, normalised
from bauta.engine.problem import Problem
from bauta.engine.transforms import NONE, Diversity, blur
from bauta.errors import UsageError

#: Called with the steps done and the steps in all.
StepProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class EarlyStop:
    """Stop a face when a held-out surrogate no longer recognises it.

    A held-out surrogate has steered the result, so it must not judge it afterwards.

    Attributes:
        held_out: recognizers that take no part in the gradients.
        own: per held-out recognizer, (B, D) embeddings of the people.
        distance: stop when every one of them is at least this far from the person, in units of
            the distance at its threshold.
        every: steps between looks.

    """

    held_out: Ensemble
    own: Sequence[Tensor]
    distance: float = 1.3
    every: int = 5

    def lost(self, problem: Problem, delta: Tensor) -> Tensor:
        """(B,) whether every held-out surrogate has lost the face under a perturbation."""
        return self.reached(problem, delta) >= self.distance

    @torch.no_grad()
    def reached(self, problem: Problem, delta: Tensor) -> Tensor:
        """(B,) distance from the person, to the held-out surrogate that is nearest to them."""
        probe = replace(problem, ensemble=self.held_out, own=self.own, targets=(), goal=Dodge())
        images = problem.render(delta).round()
        embeddings = self.held_out.embed(problem.canvas, images, NONE, 1, Generator())
        own, _ = probe.distances(embeddings)
        return torch.stack([d[:, 0] for d in own]).amin(dim=0)


@dataclass
class State:
    """What a run has reached.

    Attributes:
        delta: (B, 3, S, S) perturbation in grey levels, or what else the problem asks for.
        velocity: accumulated direction, of the same shape.
        active: (B, 1, 1, 1), 1 for faces that still change.
        step: number of steps done.

    """

    delta: Tensor
    velocity: Tensor
    active: Tensor
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class IterativeMethod:
    """Iterative sign-gradient method within a budget.

    The steps that a method may override: :meth:`initial`, :meth:`gradient`, :meth:`direction`,
    :meth:`advance`, :meth:`finished`.

    Args:
        steps: number of gradient steps.
        step_size: size of a step in grey levels; None: ``reach`` x epsilon / steps.
        reach: how far all steps together lead, in epsilons.
        views: random views per step and face, over whose mean loss the gradient is taken.
        diversity: random changes of the views.
        momentum: rule from gradients to directions.
        start: random start, as a share of epsilon.
        smoothing: side of the Gaussian that gradients are blurred with, in frame pixels, odd; 0:
            none (Dong et al., TI-FGSM, CVPR 2019).
        seed: seed of all randomness.

    """

    #: Whether what is added stays within the budget.
    bounded: ClassVar[bool] = True

    steps: int = 30
    step_size: float | None = None
    reach: float = 2.5
    views: int = 1
    diversity: Diversity = Diversity()  # noqa: RUF009  frozen, so it may be shared
    momentum: Direction = Momentum()  # noqa: RUF009  frozen, so it may be shared
    start: float = 0.5
    smoothing: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.smoothing and self.smoothing % 2 == 0:
            raise UsageError(f"smoothing must be odd, got {self.smoothing}")
        if self.steps < 1 or self.views < 1:
            raise UsageError("steps and views must be at least 1")

    def run(
        self,
        problem: Problem,
        *,
        begin: Tensor | None = None,
        stop: EarlyStop | None = None,
        progress: StepProgress | None = None,
    ) -> Tensor:
        """Optimise.

        Args:
            problem: faces, goal, budget and surrogates.
            begin: (B, 3, S, S) perturbations to go on from; None: :meth:`initial`.
            stop: early stop on held-out surrogates, or None.
            progress: told about every step.

        Returns:
            (B, 3, S, S) perturbations in the frame, in grey levels, within the budget.

        """
        generator = torch.Generator().manual_seed(self.seed)
        state = self.initial(problem, generator)
        if begin is not None:
            state.delta = begin
        for _ in range(self.steps):
            with torch.no_grad():
                self.advance(problem, state, self.direction(problem, state, generator))
            state.step += 1
            if progress:
                progress(state.step, self.steps)
            if stop and state.step % stop.every == 0 and self.finished(problem, state, stop):
                break
        return state.delta

    def step_of(self, problem: Problem) -> float:
        """Size of a step in grey levels."""
        return self.step_size or self.reach * problem.budget.epsilon / self.steps

    def initial(self, problem: Problem, generator: Generator) -> State:
        """Random start."""
        delta = problem.start(self.start, generator)
        return State(delta, torch.zeros_like(delta), delta.new_ones(len(delta), 1, 1, 1))

    def direction(self, problem: Problem, state: State, generator: Generator) -> Tensor:
        """Direction along which the loss grows; the state's velocity is brought up to date."""

        def gradient_at(delta: Tensor) -> Tensor:
            return self.gradient(problem, state, delta, generator)

        step = self.step_of(problem)
        state.velocity = self.momentum(state.delta, state.velocity, gradient_at, step, generator)
        return state.velocity

    def gradient(
        self, problem: Problem, state: State, delta: Tensor, generator: Generator
    ) -> Tensor:
        """Gradient of the mean loss over random views, (B, 3, S, S)."""
        del state
        with torch.enable_grad():
            point = delta.detach().requires_grad_(True)
            embeddings = problem.ensemble.embed(
                problem.canvas, problem.render(point), self.diversity, self.views, generator
            )
            losses = self.losses(problem, embeddings)
            out = team_gradient(problem.ensemble, losses, point) + self.penalty(problem, point)
        return blur(out, self.smoothing) if self.smoothing else out

    def losses(self, problem: Problem, embeddings: list[Tensor]) -> list[Tensor]:
        """Losses to minimise, (B, V): one per member, or one in all at level "logit"."""
        own, targets = problem.distances(embeddings)
        choice = self.choose(problem, embeddings)
        if problem.ensemble.level == "logit":
            own = [fused(own, problem.ensemble.shares)]
            targets = [fused(targets, problem.ensemble.shares)] if targets else None
        if targets is None:
            return [problem.goal.loss(o, None, None) for o in own]
        return [problem.goal.loss(o, t, choice) for o, t in zip(own, targets, strict=True)]

    def choose(self, problem: Problem, embeddings: list[Tensor]) -> Tensor | None:
        """(B,) index of the target that each face is drawn to; None without targets."""
        del embeddings
        if not problem.targets:
            return None
        return torch.zeros(len(problem.canvas), dtype=torch.long, device=problem.masks.device)

    def penalty(self, problem: Problem, delta: Tensor) -> Tensor | float:
        """Gradient of further terms; none here."""
        del problem, delta
        return 0.0

    def advance(self, problem: Problem, state: State, direction: Tensor) -> None:
        """Step against ``direction`` and project onto the budget."""
        step = self.step_of(problem) * problem.budget.step(direction, problem.limits)
        moved = state.delta - step * state.active
        state.delta = problem.project(moved)

    def finished(self, problem: Problem, state: State, stop: EarlyStop) -> bool:
        """Freeze the faces that every held-out surrogate has lost; True when all are frozen."""
        state.active = state.active * (~stop.lost(problem, state.delta)).view(-1, 1, 1, 1)
        return not bool(state.active.any())


def team_loss(ensemble: Ensemble, losses: list[Tensor]) -> Tensor:
    """The members' (B, V) losses, or one of the whole team, as one sum over the faces.

    Faces do not interact, so its gradient holds each face's own.
    """
    shares = ensemble.shares if len(losses) > 1 else [1.0]
    totals = [loss.mean(dim=1).sum() for loss in losses]
    return torch.stack([s * t for s, t in zip(shares, totals, strict=True)]).sum()


def team_gradient(
    ensemble: Ensemble, losses: list[Tensor], point: Tensor, *, retain: bool = False
) -> Tensor:
    """Gradient at ``point`` of the members' (B, V) losses, put together by the ensemble's level.

    ``retain`` keeps the graph for further gradients.
    """
    if ensemble.level != "gradient":
        total = team_loss(ensemble, losses)
        return torch.autograd.grad(total, point, retain_graph=retain)[0]
    parts = []
    for share, loss in zip(ensemble.shares, losses, strict=True):
        part = torch.autograd.grad(loss.mean(dim=1).sum(), point, retain_graph=True)[0]
        parts.append(share * normalised(part))
    return torch.stack(parts).sum(0)
