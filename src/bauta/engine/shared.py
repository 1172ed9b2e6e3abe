"""One perturbation for several photos of a person: universal, person-specific masks.

Source of the feature subspaces: Y. Zhong and W. Deng, "OPOM: Customized Invisible Cloak towards
Face Privacy Protection", TPAMI 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import torch
from torch import Tensor

from bauta.engine.problem import Problem
from bauta.errors import UsageError

#: Singular values below this share of the largest do not span a hull.
_FLAT = 1e-4
#: Steps of the search for the nearest point of a convex hull.
_SEARCH = 200


@dataclass(frozen=True, eq=False)
class SharedProblem(Problem):
    """B photos of one person, one (1, 3, S, S) perturbation in the frame for all of them.

    Attributes:
        away_from: what of the person every photo shall be led away from: "photo" (its own
            embedding: FI-UAP), "photos" (all of them: FI-UAP+), "centre", "affine" or "convex"
            (the hulls of all embeddings: OPOM).

    """

    away_from: str = "photo"

    def __post_init__(self) -> None:
        """Check that goal, targets and subspace fit."""
        super().__post_init__()
        if self.away_from not in ("photos", *_NEAREST):
            allowed = ", ".join(sorted(("photos", *_NEAREST)))
            raise UsageError(f"away_from must be one of {allowed}, got {self.away_from!r}")

    def render(self, delta: Tensor) -> Tensor:
        """(B, 3, C, C) canvases with the one perturbation in each of them, RGB 0-255."""
        return super().render(delta.expand(len(self.canvas), -1, -1, -1))

    @cached_property
    def limits(self) -> Tensor:
        """(1, 1, S, S) largest change that at least one of the photos allows."""
        return super().limits.amax(dim=0, keepdim=True)

    def colourless(self, delta: Tensor) -> Tensor:
        """The perturbation, alike in all channels if all photos are grey."""
        return delta.mean(dim=1, keepdim=True).expand_as(delta) if self.grey.all() else delta

    def distances(self, embeddings: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor] | None]:
        """Distances of (B, V, D) embeddings: (B, V) to the subspace, (B, V, K) to the targets."""
        rows = zip(embeddings, self.own, self.ensemble.scales, strict=True)
        away = [self._own_distance(e, own) / scale for e, own, scale in rows]
        return away, self.target_distances(embeddings)

    def _own_distance(self, embeddings: Tensor, own: Tensor) -> Tensor:
        if self.away_from == "photos":
            squares: Tensor = (embeddings[:, :, None] - own).square().sum(-1)
            return squares.mean(-1)
        with torch.no_grad():
            nearest = _NEAREST[self.away_from](embeddings.detach(), own)
        apart: Tensor = (embeddings - nearest).square().sum(-1)
        return apart


def _photo(embeddings: Tensor, own: Tensor) -> Tensor:
    return own[:, None].expand_as(embeddings)


def _centre(embeddings: Tensor, own: Tensor) -> Tensor:
    return own.mean(dim=0).expand_as(embeddings)


def nearest_in_affine_hull(points: Tensor, corners: Tensor) -> Tensor:
    """Nearest points to (..., D) ``points`` in the affine hull of (K, D) ``corners``."""
    middle = corners.mean(dim=0)
    _, sizes, axes = torch.linalg.svd(corners - middle, full_matrices=False)
    axes = axes[sizes > _FLAT * sizes.max().clamp_min(1e-12)]
    nearest: Tensor = middle + (points - middle) @ axes.T @ axes
    return nearest


def nearest_in_convex_hull(points: Tensor, corners: Tensor) -> Tensor:
    """Nearest points to (..., D) ``points`` in the convex hull of (K, D) ``corners``.

    Accelerated projected gradients over the weights of the corners (Beck and Teboulle, 2009).
    """
    gram, towards = corners @ corners.T, points @ corners.T
    step = 1 / torch.linalg.matrix_norm(gram, 2).clamp_min(1e-12)
    weights = torch.full_like(towards, 1 / len(corners))
    ahead, pace = weights, 1.0
    for _ in range(_SEARCH):
        moved = on_simplex(ahead - step * (ahead @ gram - towards))
        faster = (1 + (1 + 4 * pace * pace) ** 0.5) / 2
        ahead, weights, pace = moved + (pace - 1) / faster * (moved - weights), moved, faster
    return weights @ corners


def on_simplex(weights: Tensor) -> Tensor:
    """Nearest (..., K) weights that are not negative and sum to 1 (Duchi et al., ICML 2008)."""
    falling = weights.sort(dim=-1, descending=True).values
    excess = falling.cumsum(dim=-1) - 1
    count = torch.arange(1, weights.shape[-1] + 1, device=weights.device)
    last = (falling * count > excess).sum(dim=-1, keepdim=True)
    return (weights - excess.gather(-1, last - 1) / last).clamp(min=0)


_NEAREST: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {
        "photo": _photo,
        "centre": _centre,
        "affine": nearest_in_affine_hull,
        "convex": nearest_in_convex_hull,
    }
)
