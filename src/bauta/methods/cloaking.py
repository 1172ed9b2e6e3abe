"""FaceCloak's optimisation: where identity leaks, by an attention that is learnt on the way.

Source: Yahn et al., "Personalized Face Privacy Protection From a Single Image", 2026, arXiv
2605.19032. The paper's parts each add to what is seen; here they share one budget, so that each
says where it goes and none adds to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d
from torch import Generator, Tensor

from bauta.engine.album import AlbumProblem
from bauta.engine.ensemble import distances
from bauta.engine.loop import State
from bauta.faces.frame import frames_of
from bauta.methods.chameleon import CrossImage, Weighed

#: Side and sigma, in pixels of the frame, of the blur that leaves no fine detail (the paper's).
_BLUR, _SIGMA = 23, 3.0
#: Points of the attention's grid along each side of the frame.
GRID = 14
#: How far the attention's logits, 0 at first, get if all steps lead them the same way.
_WAY = 3.0


@dataclass(frozen=True, eq=False)
class CloakProblem(AlbumProblem):
    """An album with what is known of its owner's face.

    Attributes:
        strength: (1, 1, S, S) share of the largest change that each pixel may get, 0 to 1.
        detail: (1, 1, S, S) how much fine detail the face has there, 0 to 1.
        near: per surrogate, (1, D) embedding of a similar identity to keep away from; or empty.
        far: per surrogate, (1, D) embedding of a distant identity to be drawn to; or empty.

    """

    strength: Tensor = field(default_factory=lambda: torch.ones(1, 1, 1, 1))
    detail: Tensor = field(default_factory=lambda: torch.zeros(1, 1, 1, 1))
    near: Sequence[Tensor] = ()
    far: Sequence[Tensor] = ()

    @classmethod
    def of(cls, album: AlbumProblem, **known: Any) -> CloakProblem:
        """Return an album's problem with what is known besides."""
        even = {"strength": album.masks.new_ones(1, 1, 1, 1), "detail": album.masks.new_zeros(1)}
        values = {item.name: getattr(album, item.name) for item in fields(album)}
        return cls(**{**values, **even, **known})

    def start(self, share: float, generator: Generator) -> Tensor:
        """Return a random mask of up to ``share`` of the limits, weaker where little leaks."""
        flow, pixels = self.parts(super().start(share, generator))
        return self._whole(flow, pixels * self.strength)

    def scaled(self, delta: Tensor, factor: Tensor) -> Tensor:
        """The mask with what it adds times (1, 1, S, S) factors."""
        flow, pixels = self.parts(delta)
        return self._whole(flow, pixels * factor)

    def sharpened(self, gradient: Tensor, gain: float) -> Tensor:
        """A gradient with its fine part raised where the face has fine detail."""
        flow, pixels = self.parts(gradient)
        return self._whole(flow, pixels + gain * self.detail * fine_part(pixels))


class _Attention:
    """A smooth map in (0, 1) that is learnt by Adam (Kingma and Ba, ICLR 2015).

    Adam divides by the size of each point's own gradients: a point gets ahead not where the mask
    does most, but where one batch after the other agrees that it does good. That tells what holds
    for new photos from what was fitted to the old ones.
    """

    def __init__(self, size: int, steps: int, device: torch.device) -> None:
        self.size = size
        self._logits = torch.zeros(1, 1, GRID, GRID, device=device)
        self._adam = torch.optim.Adam([self._logits], lr=_WAY / steps)

    @property
    def map(self) -> Tensor:
        """(1, 1, S, S)."""
        size = (self.size, self.size)
        return F.interpolate(self._logits.sigmoid(), size, mode="bilinear", align_corners=False)

    def learn(self, slope: Tensor) -> None:
        """Take a step against the (1, 1, S, S) slope of the loss by the map."""
        here = self._logits.sigmoid()
        self._logits.grad = F.adaptive_avg_pool2d(slope, GRID) * here * (1 - here)
        self._adam.step()


@dataclass
class _Attentive(Weighed):
    """A state with the attention, if there is one, and the slope of the last loss by it."""

    attention: _Attention | None = None
    slope: Tensor | None = None

    @property
    def map(self) -> Tensor | float:
        """The attention, or 1."""
        return self.attention.map if self.attention else 1.0


@dataclass(frozen=True, kw_only=True)
class Cloaking(CrossImage):
    """Cross-image optimisation of attention x perturbation, between two anchors.

    The state holds the product, which alone is bounded by the budget; the attention moves it from
    where a unit of visibility achieves little to where it achieves more.

    Args:
        attention: learn one; False: it is 1 everywhere.
        highpass: by how much the fine part of gradients is raised where the face itself is fine.
        near: weight of the distance to the near anchor, in that to oneself; 0: no such anchor.
        far: likewise of the distance to the far anchor.

    """

    attention: bool = True
    highpass: float = 0.5
    near: float = 0.1
    far: float = 0.2

    def initial(self, problem: Any, generator: Generator) -> State:
        """Random start with an even attention."""
        plain = super().initial(problem, generator)
        device = problem.masks.device
        attention = _Attention(problem.size, self.steps, device) if self.attention else None
        return _Attentive(plain.delta, plain.velocity, plain.active, attention=attention)

    def gradient(self, problem: Any, state: Any, delta: Tensor, generator: Generator) -> Tensor:
        """Gradient with its fine part raised; see :class:`CrossImage`."""
        whole = super().gradient(problem, state, delta, generator)
        # By the chain rule, the attention's slope is the mask's times the perturbation.
        (_, slope), (_, pixels) = problem.parts(whole), problem.parts(delta)
        state.slope = (slope * pixels).sum(dim=1, keepdim=True) / state.map
        return problem.sharpened(whole, self.highpass) if self.highpass else whole

    def losses(self, problem: Any, embeddings: list[Tensor]) -> list[Tensor]:
        """Losses of :class:`CrossImage`, and both anchors."""
        losses = super().losses(problem, embeddings)
        for weight, anchors in ((-self.near, problem.near), (self.far, problem.far)):
            if weight and anchors:
                rows = zip(losses, embeddings, anchors, problem.ensemble.scales, strict=True)
                losses = [
                    loss + weight * distances(e, anchor[:, None], scale)[..., 0]
                    for loss, e, anchor, scale in rows
                ]
        return losses

    def advance(self, problem: Any, state: Any, direction: Tensor) -> None:
        """Learn the attention, then step within what leakage and attention leave."""
        before = state.map
        if state.attention:
            state.attention.learn(state.slope)
        share = problem.strength * state.map
        # However little they leave, a step is as large: it goes elsewhere. Nor is any pixel's limit
        # lowered, which would take peaks away that matter, instead of moving what is seen.
        usual = (share.square() * problem.limits).sum() / problem.limits.sum()
        step = problem.budget.step(problem.scaled(direction, share), problem.limits)
        step = problem.scaled(step, share / usual.sqrt().clamp_min(1e-6))
        kept = problem.scaled(state.delta, state.map / before)
        state.delta = problem.project(kept - self.step_of(problem) * step * state.active)


def fine_part(images: Tensor) -> Tensor:
    """(B, C, S, S) less its Gaussian blur: the paper's high pass."""
    fine: Tensor = images - gaussian_blur2d(images, (_BLUR, _BLUR), (_SIGMA, _SIGMA))
    return fine


def detail_map(album: AlbumProblem) -> Tensor:
    """How much fine detail a face has in its photos.

    Args:
        album: the photos.

    Returns:
        (1, 1, S, S) smooth, 0 to 1, the mean over the photos.

    """
    frames = frames_of(album.canvas, album.size)
    sizes = fine_part(frames).abs().mean(dim=(0, 1), keepdim=True) * (album.masks > 0).amax(dim=0)
    smooth = sizes - fine_part(sizes)
    # A few sharp edges would leave all else near 0.
    return (smooth / smooth.flatten().quantile(0.95).clamp_min(1e-6)).clamp(0, 1)
