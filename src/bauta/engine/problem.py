"""One optimisation problem: faces on canvases, who they are, where and how far they may change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Generator, Tensor

from bauta.engine.budgets import Budget
from bauta.engine.ensemble import Ensemble, distances
from bauta.engine.goals import Goal
from bauta.engine.transforms import NONE, Diversity
from bauta.errors import UsageError
from bauta.faces.frame import Canvas, render


@dataclass(frozen=True, eq=False)
class Problem:
    """What an iterative method is given.

    Attributes:
        canvas: B faces.
        masks: (B, 1, S, S) where each face may change, in its frame, 0 to 1.
        faces: (B, 1, S, S) where the face itself is, 0 to 1.
        ensemble: the surrogates.
        goal: what is wanted.
        budget: how far pixels may change.
        own: per surrogate, (B, D) embeddings of the people themselves.
        targets: per surrogate, (K, D) embeddings of the targets, or empty.
        grey: (B,) True for faces in photos without colour.

    """

    canvas: Canvas
    masks: Tensor
    faces: Tensor
    ensemble: Ensemble
    goal: Goal
    budget: Budget
    own: Sequence[Tensor]
    targets: Sequence[Tensor]
    grey: Tensor

    def __post_init__(self) -> None:
        """Check that goal and targets fit."""
        if self.goal.targeted and not self.targets:
            raise UsageError("impersonation needs targets")

    @property
    def size(self) -> int:
        """Side of the frame in pixels."""
        return self.masks.shape[-1]

    @cached_property
    def maps(self) -> Tensor:
        """(B, 2, 3) maps from canvas pixels to frame pixels."""
        return self.canvas.canvas_to_frame(self.size)

    @cached_property
    def limits(self) -> Tensor:
        """(B, 1, S, S) largest change of each frame pixel; none where the mask hides it."""
        return self.budget.limits(self.canvas, self.faces) * (self.masks > 0)

    def render(self, delta: Tensor) -> Tensor:
        """(B, 3, C, C) canvases with the perturbation in them, RGB 0-255."""
        added = render(delta, self.masks, self.maps, self.canvas.images.shape[-1])
        return (self.canvas.images + added * self.canvas.inside).clamp(0, 255)

    def project(self, delta: Tensor) -> Tensor:
        """Nearest perturbation that budget and photo allow."""
        return self.budget.project(self.colourless(delta), self.limits)

    def colourless(self, delta: Tensor) -> Tensor:
        """(B, 3, S, S) perturbation, alike in all channels where the photo is grey."""
        mean = delta.mean(dim=1, keepdim=True).expand_as(delta)
        return torch.where(self.grey.view(-1, 1, 1, 1), mean, delta)

    def start(self, share: float, generator: Generator) -> Tensor:
        """Random perturbations of up to ``share`` x epsilon, the same noise for every face."""
        noise = 2 * torch.rand(1, 3, self.size, self.size, generator=generator) - 1
        share *= self.budget.epsilon / self.budget.peak
        return self.project(noise.to(self.masks) * share * self.limits)

    def distances(self, embeddings: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor] | None]:
        """Distances of (B, V, D) embeddings: (B, V) to oneself and (B, V, K) to the targets."""
        rows = zip(embeddings, self.own, self.ensemble.scales, strict=True)
        own = [distances(e, own, scale) for e, own, scale in rows]
        return own, self.target_distances(embeddings)

    def target_distances(self, embeddings: Sequence[Tensor]) -> list[Tensor] | None:
        """(B, V, K) distances of (B, V, D) embeddings to the targets, if there are some."""
        if not self.targets:
            return None
        shared = [targets[:, None] for targets in self.targets]
        rows = zip(embeddings, shared, self.ensemble.scales, strict=True)
        return [distances(e, targets, scale) for e, targets, scale in rows]


@torch.no_grad()
def own_embeddings(
    canvas: Canvas, ensemble: Ensemble, diversity: Diversity, views: int, generator: Generator
) -> list[Tensor]:
    """Per surrogate, (B, D) mean embedding of each face over the plain view and random ones.

    The mean over views is a steadier picture of who somebody is than one crop's embedding.
    """
    plain = ensemble.embed(canvas, canvas.images, NONE, 1, generator)
    if views == 0:
        return [e[:, 0] for e in plain]
    diversity = replace(diversity, ghosts=0.0, dropout=0.0)
    more = ensemble.embed(canvas, canvas.images, diversity, views, generator)
    return [torch.cat([a, b], dim=1).mean(dim=1) for a, b in zip(plain, more, strict=True)]
