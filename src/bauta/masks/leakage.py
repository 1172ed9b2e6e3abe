"""Where a face gives its owner away, as recognizers see it.

Source of the idea: Yahn et al., "Personalized Face Privacy Protection From a Single Image", 2026,
arXiv 2605.19032, which protects eyes, nose and mouth more. Here the regions are measured, by
integrated gradients (Sundararajan et al., "Axiomatic Attribution for Deep Networks", ICML 2017):
along the way from a face without features to the face, what each pixel does to the distance from
who it is.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from bauta.engine.blurring import blurred
from bauta.engine.ensemble import Ensemble, distances
from bauta.engine.transforms import NONE
from bauta.faces.frame import Canvas, frames_of, render

#: Sigma of the blur that takes a face's features away, and of the map, in sides of the frame.
_FEATURES, _SMOOTH = 0.06, 0.025


def leakage_map(canvas: Canvas, masks: Tensor, ensemble: Ensemble, *, points: int = 2) -> Tensor:
    """Share of its owner's identity that each pixel of the frame gives away.

    Args:
        canvas: B pictures of one face.
        masks: (B, 1, S, S) where it may be changed, 0 to 1; nothing leaks elsewhere.
        ensemble: who looks. Each recognizer counts by its weight, whatever its scale.
        points: of the way that gradients are taken at, at least 1.

    Returns:
        (1, 1, S, S) smooth, 0 to 1; the largest value is 1. The mean over the pictures.

    """
    parts = attributions(canvas, masks, ensemble, points=points)
    size = masks.shape[-1]
    total = masks.new_zeros(1, 1, size, size)
    for share, part in zip(ensemble.shares, parts, strict=True):
        # Smoothing first: edges come in pairs of opposite sign that belong together.
        smooth = blurred(part.mean(dim=0, keepdim=True), _SMOOTH * size).clamp_min(0)
        total += share * smooth / smooth.sum().clamp_min(1e-12)
    # Attributions are products of two amplitudes, of a feature and of what it does.
    leaks = blurred(total.sqrt(), _SMOOTH * size)
    return leaks / leaks.max().clamp_min(1e-12)


def attributions(
    canvas: Canvas, masks: Tensor, ensemble: Ensemble, *, points: int = 2
) -> list[Tensor]:
    """What each pixel's features do to the distance from a face without any.

    Args:
        canvas: B pictures of a face.
        masks: (B, 1, S, S) where features are taken away, 0 to 1.
        ensemble: who looks.
        points: of the way that gradients are taken at, at least 1.

    Returns:
        Per member, (B, 1, S, S). The sum over pixels is, up to the sampling of the way, the
        distance that a face is taken away from itself with its features, in units of the distance
        at the member's threshold.

    """
    size = masks.shape[-1]
    frames = frames_of(canvas, size)
    gone = blurred(frames, _FEATURES * size) - frames
    maps = canvas.canvas_to_frame(size)
    nobody = Generator()
    with torch.no_grad():
        own = ensemble.embed(canvas, canvas.images, NONE, 1, nobody)
    sums = [torch.zeros_like(masks) for _ in ensemble.members]
    for point in range(points):
        change = ((point + 0.5) / points * gone).requires_grad_(True)
        added = render(change, masks, maps, canvas.images.shape[-1])
        images = canvas.images + added * canvas.inside
        rows = ensemble.embed(canvas, images, NONE, 1, nobody)
        for at, (row, known, scale) in enumerate(zip(rows, own, ensemble.scales, strict=True)):
            away = distances(row, known[:, 0], scale).sum()
            (slope,) = torch.autograd.grad(away, change, retain_graph=True)
            sums[at] += (slope * gone).sum(dim=1, keepdim=True) / points
    return sums
