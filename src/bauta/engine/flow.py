"""Moving pixels besides changing them: one problem whose answer is a flow and a perturbation.

Source: C. Xiao et al., "Spatially Transformed Adversarial Examples", ICLR 2018; here on a coarse
grid with a hard limit on every displacement, instead of a penalty on the flow of every pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from bauta.engine.budgets import Budget
from bauta.engine.problem import Problem
from bauta.errors import UsageError
from bauta.faces.frame import Canvas, render
from bauta.faces.geometry import warp
from bauta.faces.moving import move_canvas

#: Points of the grid along each side of the frame, about four from eye to eye. Finer grids hide
#: more and bend straight lines, such as those of glasses.
GRID = 16
#: Steps of the flow, in steps of the perturbation: most points are to end at their limit.
_HASTE = 1.6


def symmetric(flows: Tensor) -> Tensor:
    """(B, 2, G, G) flows and their mirror images, averaged.

    A mouth drawn askew or glasses bent on one side are seen at once, and hide little more.
    """
    mirrored = flows.flip(3) * flows.new_tensor([-1.0, 1.0]).view(1, 2, 1, 1)
    return (flows + mirrored) / 2


@dataclass(frozen=True)
class FlowBudget(Budget):
    """Flows and perturbations in one, packed as (B, 1, 1, N), in units of their own limits.

    Args:
        pixels: how far pixels may be changed.
        displacement: how far the points of the grid may be moved, in sides of the frame.

    """

    pixels: Budget
    displacement: float
    epsilon: float = 1.0

    def __post_init__(self) -> None:
        """Check the range."""
        if not 0 < self.displacement <= 0.05:
            raise UsageError(
                f"displacement must be above 0 and at most 0.05, got {self.displacement}"
            )

    def pack(self, flows: Tensor, deltas: Tensor) -> Tensor:
        """Pack (B, 2, G, G) flows in sides of the frame and (B, 3, S, S) deltas in grey levels."""
        parts = [flows / self.displacement, deltas / self.pixels.epsilon]
        return torch.cat([part.flatten(1) for part in parts], dim=1)[:, None, None]

    def unpack(self, packed: Tensor) -> tuple[Tensor, Tensor]:
        """Undo :meth:`pack`, and make the flows :func:`symmetric`."""
        count, points = len(packed), 2 * GRID * GRID
        flows, deltas = packed.view(count, -1).tensor_split([points], dim=1)
        size = math.isqrt(deltas.shape[1] // 3)
        return (
            symmetric(flows.view(count, 2, GRID, GRID)) * self.displacement,
            deltas.view(count, 3, size, size) * self.pixels.epsilon,
        )

    def step(self, direction: Tensor, limits: Tensor) -> Tensor:
        """Square roots of the flow's direction, and what the budget of pixels says of the rest."""
        flows, deltas = self.unpack(direction)
        roots = flows.sign() * flows.abs().sqrt()
        size = roots.square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        # step() of a budget has no unit, pack() divides by one.
        pixels = self.pixels.step(deltas, limits) * self.pixels.epsilon
        return self.pack(_HASTE * self.displacement * roots / size, pixels)

    def limits(self, canvas: Canvas, faces: Tensor) -> Tensor:
        """Largest change of each frame pixel; see :meth:`Budget.limits`."""
        return self.pixels.limits(canvas, faces)

    def project(self, delta: Tensor, limits: Tensor) -> Tensor:
        """Shorten displacements that are too long; pixels as their budget says."""
        flows, deltas = self.unpack(delta)
        length = flows.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
        flows = flows * (self.displacement / length).clamp_max(1)
        return self.pack(flows, self.pixels.project(deltas, limits))


@dataclass(frozen=True, eq=False)
class MovingProblem(Problem):
    """What flows need to be carried out on a problem's canvases."""

    @cached_property
    def grid_maps(self) -> Tensor:
        """(B, 2, 3) maps from canvas pixels to the points of the grid."""
        return self.canvas.canvas_to_frame(GRID)

    @cached_property
    def share(self) -> Tensor:
        """(B, 1, C, C) masks on the canvas: what share of a move is carried out."""
        side = self.canvas.images.shape[-1]
        return warp(self.masks, self.maps, (side, side))

    def moved(self, flows: Tensor) -> Tensor:
        """(B, 3, C, C) canvases with their pixels moved by (B, 2, G, G) flows."""
        return move_canvas(self.canvas, flows, self.share, self.grid_maps)


@dataclass(frozen=True, eq=False)
class FlowProblem(MovingProblem):
    """Where to move the pixels of faces and how to change them, packed as :class:`FlowBudget` says.

    Pixels move first; what is added afterwards lies where it would without a flow.
    """

    budget: FlowBudget

    def render(self, delta: Tensor) -> Tensor:
        """(B, 3, C, C) canvases with their pixels moved, then changed; RGB 0-255."""
        flows, deltas = self.budget.unpack(delta)
        moved = self.moved(flows)
        added = render(deltas, self.masks, self.maps, moved.shape[-1])
        return (moved + added * self.canvas.inside).clamp(0, 255)

    def project(self, delta: Tensor) -> Tensor:
        """Nearest answer that budget and photo allow."""
        flows, deltas = self.budget.unpack(delta)
        return self.budget.project(self.budget.pack(flows, self.colourless(deltas)), self.limits)

    def start(self, share: float, generator: Generator) -> Tensor:
        """Random flows and perturbations of up to ``share`` of their limits."""
        pixels = self.budget.pixels
        noise = 2 * torch.rand(1, 3, self.size, self.size, generator=generator) - 1
        deltas = noise.to(self.masks) * share * pixels.epsilon / pixels.peak * self.limits
        flows = 2 * torch.rand(1, 2, GRID, GRID, generator=generator).to(deltas) - 1
        flows = share * self.budget.displacement * flows.expand(len(deltas), -1, -1, -1)
        return self.project(self.budget.pack(flows, deltas))
