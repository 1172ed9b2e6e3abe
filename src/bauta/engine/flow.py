"""Moving pixels as an optimisation problem: the same methods, a smooth flow instead of a change.

Source: C. Xiao et al., "Spatially Transformed Adversarial Examples", ICLR 2018; here on a coarse
grid with a hard limit on every displacement, instead of a penalty on the flow of every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

from torch import Tensor

from bauta.engine.budgets import Budget
from bauta.engine.problem import Problem
from bauta.errors import UsageError
from bauta.faces.moving import move_canvas

#: Points of the grid along each side of the frame, about four from eye to eye. Finer grids hide
#: more and bend straight lines, such as those of glasses.
GRID = 16


@dataclass(frozen=True)
class Displacement(Budget):
    """Every point of the grid moves by at most ``epsilon``, in sides of the frame."""

    epsilon: float

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 < self.epsilon <= 0.05:
            raise UsageError(f"displacement must be above 0 and at most 0.05, got {self.epsilon}")

    def step(self, direction: Tensor, limits: Tensor) -> Tensor:
        """Square roots of the direction: its signs would move everything by the same length."""
        del limits
        roots = direction.sign() * direction.abs().sqrt()
        return roots / roots.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)

    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Shorten the displacements that are too long."""
        length = delta.square().sum(dim=1, keepdim=True).sqrt()
        return delta * (limits / length.clamp_min(1e-12)).clamp_max(1)


@dataclass(frozen=True, eq=False)
class FlowProblem(Problem):
    """Where to move the pixels of faces. What methods call delta is a (B, 2, G, G) flow."""

    @classmethod
    def of(cls, problem: Problem, limit: float) -> FlowProblem:
        """The same faces, surrogates and goal; displacements up to ``limit`` sides of the frame."""
        values = {field.name: getattr(problem, field.name) for field in fields(Problem)}
        return cls(**{**values, "budget": Displacement(limit)})

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one face's flow."""
        return 2, GRID, GRID

    @cached_property
    def limits(self) -> Tensor:
        """(B, 1, G, G) largest displacement of each point."""
        count = len(self.canvas)
        return self.masks.new_full((count, 1, GRID, GRID), self.budget.epsilon)

    def render(self, delta: Tensor) -> Tensor:
        """(B, 3, C, C) canvases with their pixels moved, RGB 0-255."""
        moved = move_canvas(self.canvas, delta, self.masks, self.maps)
        return moved.clamp(0, 255)

    def project(self, delta: Tensor) -> Tensor:
        """Nearest flow that the budget allows."""
        return self.budget.project(delta, self.limits)
