"""Photos of one person, and one answer for all of them: where pixels move, and what is added."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Generator, Tensor

from bauta.engine.budgets import Budget
from bauta.engine.flow import GRID, FlowBudget, MovingProblem
from bauta.engine.shared import SharedProblem
from bauta.engine.transforms import blur
from bauta.faces.frame import render
from bauta.faces.placement import PLACES, placed, placed_flows

#: Side of the blur, in pixels of the frame, that leaves nothing fine: a sigma of 2.
_FINE = 11


@dataclass(frozen=True, eq=False)
class AlbumProblem(MovingProblem, SharedProblem):
    """B photos of one person, one mask in the frame for all of them.

    What a mask adds is meant where a photo allows most; elsewhere, such as on smooth skin under a
    perceptual budget, each photo gets the share of it that it allows. With a
    :class:`~bauta.engine.flow.FlowBudget` pixels are moved first, alike in all photos.

    Attributes:
        places: (B, 2, P, P) how the mask is bent to lie on each face, of
            :func:`bauta.faces.placement.placements`.
        chroma: share of the mask's colour that every projection keeps. Below 1 the mask becomes one
            of light and shadow, which skin shows anyway, and less of green and purple.
        fine: share of the mask's fine parts that every projection keeps. Below 1 the mask becomes
            one of soft shades, which look like the face's own, and less of lines and spots.

    """

    places: Tensor = field(kw_only=True)
    chroma: float = 1.0
    fine: float = 1.0

    @cached_property
    def grid_maps(self) -> Tensor:
        """(B, 2, 3) maps from canvas pixels to the points that flows are placed on."""
        return self.canvas.canvas_to_frame(PLACES)

    @property
    def pixels(self) -> Budget:
        """The budget of what is added."""
        return self.budget.pixels if isinstance(self.budget, FlowBudget) else self.budget

    @cached_property
    def limits(self) -> Tensor:
        """(1, 1, S, S) largest change where a photo allows most."""
        reach = self.masks.amax(dim=0, keepdim=True) > 0
        return self.pixels.peak * reach.to(self.masks.dtype)

    @cached_property
    def allowed(self) -> Tensor:
        """(B, 1, S, S) share of the mask that each photo gets, 0 to 1."""
        return self.pixels.limits(self.canvas, self.faces) / self.pixels.peak

    def parts(self, delta: Tensor) -> tuple[Tensor | None, Tensor]:
        """(1, 2, G, G) flow in sides of the frame, if any, and (1, 3, S, S) grey levels."""
        if isinstance(self.budget, FlowBudget):
            return self.budget.unpack(delta)
        return None, delta

    def render(self, delta: Tensor) -> Tensor:
        """(B, 3, C, C) canvases that wear the mask, RGB 0-255."""
        flow, pixels = self.parts(delta)
        images = self.canvas.images
        if flow is not None:
            images = self.moved(placed_flows(flow, self.places))
        there = placed(pixels, self.places) * self.allowed
        added = render(there, self.masks, self.maps, images.shape[-1])
        return (images + added * self.canvas.inside).clamp(0, 255)

    def project(self, delta: Tensor) -> Tensor:
        """Nearest mask that the budget allows."""
        flow, pixels = self.parts(delta)
        return self.budget.project(
            self._whole(flow, self._paler(self._softer(pixels))), self.limits
        )

    def _softer(self, pixels: Tensor) -> Tensor:
        if self.fine == 1:
            return pixels
        soft = blur(pixels, _FINE)
        return soft + self.fine * (pixels - soft)

    def _paler(self, pixels: Tensor) -> Tensor:
        if self.grey.all():
            return self.colourless(pixels)
        light = pixels.mean(dim=1, keepdim=True)
        return light + self.chroma * (pixels - light)

    def start(self, share: float, generator: Generator) -> Tensor:
        """Return a random mask of up to ``share`` of the limits."""
        noise = 2 * torch.rand(1, 3, self.size, self.size, generator=generator) - 1
        pixels = noise.to(self.masks) * share * self.pixels.epsilon
        flow = None
        if isinstance(self.budget, FlowBudget):
            moves = 2 * torch.rand(1, 2, GRID, GRID, generator=generator) - 1
            flow = moves.to(pixels) * share * self.budget.displacement
        return self.project(self._whole(flow, pixels))

    def _whole(self, flow: Tensor | None, pixels: Tensor) -> Tensor:
        """Undo :meth:`parts`."""
        if flow is not None and isinstance(self.budget, FlowBudget):
            return self.budget.pack(flow, pixels)
        return pixels

    def some(self, which: Tensor) -> AlbumProblem:
        """Return the problem of some of the photos, by their (K,) numbers, with the same person.

        Who the person is still comes from all photos, which is why ``away_from`` cannot be "photo".
        """
        part = replace(
            self,
            canvas=self.canvas[which], masks=self.masks[which], faces=self.faces[which],
            grey=self.grey[which], places=self.places[which],
        )  # fmt: skip
        # What takes time to compute is taken over instead.
        for name in ("maps", "allowed", "grid_maps", "share"):
            part.__dict__[name] = getattr(self, name)[which]
        part.__dict__["limits"] = self.limits
        return part
