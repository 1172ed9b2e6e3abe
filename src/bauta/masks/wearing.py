"""Putting a personal mask on faces: pixels move, then the mask is added where the photo allows."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.budgets import Budget, Perceptual, pixel_budget
from bauta.faces.face import Face
from bauta.faces.frame import Canvas, cut_canvas
from bauta.faces.placement import placed, placed_flows, placements
from bauta.faces.regions import region_mask
from bauta.faces.rendering import move_in_photo, render_into_photo
from bauta.keys.mask import PEAK, Facts, PersonalMask

Pixels = NDArray[np.uint8]
#: Rows of a photo between two that are looked at to tell it from others.
_ROWS = 16


def member_for(mask: PersonalMask, photo: Pixels) -> int:
    """Which of the family's masks a photo gets: nobody without the secret can tell.

    The same photo always gets the same one, so that two copies of it teach nothing.
    """
    # Every 16th row says which photo it is as well as all of them, which take as long as the mask.
    digest = hmac.digest(mask.secret, photo[::_ROWS].tobytes(), "sha256")
    return int.from_bytes(digest[:8], "big") % len(mask.deltas)


def put_on(
    photo: Pixels,
    faces: Sequence[Face],
    mask: PersonalMask,
    *,
    member: int | None = None,
    grey: bool = False,
    canvas: Canvas | None = None,
) -> Pixels:
    """Put a mask on faces.

    Args:
        photo: (H, W, 3) uint8 RGB.
        faces: the owner's face, or faces.
        mask: whose.
        member: of the family; None: :func:`member_for` the photo.
        grey: keep the photo without colour.
        canvas: the faces, if they have been cut out already.

    Returns:
        A new photo; where no mask reaches, its samples are the old ones.

    """
    at = member_for(mask, photo) if member is None else member
    areas = torch.stack([region_mask(face, (mask.facts.region,)) for face in faces])
    canvas = canvas or cut_canvas([photo] * len(faces), faces)
    places = placements(canvas)
    deltas = additions(canvas, faces, mask, at, places)
    if len(mask.flows):
        flow = torch.from_numpy(mask.flows[at : at + 1].astype(np.float32))
        photo = move_in_photo(photo, faces, placed_flows(flow, places), areas)
    return render_into_photo(
        photo, faces, deltas, areas, limit=mask.facts.peak, grey=grey, in_place=len(mask.flows) > 0
    )


def additions(
    canvas: Canvas, faces: Sequence[Face], mask: PersonalMask, member: int, places: Tensor
) -> Tensor:
    """(N, 3, S, S) what is added to each face in its frame, in grey levels.

    Args:
        canvas: N faces, without the mask.
        faces: the same faces.
        mask: whose.
        member: of the family.
        places: (N, 2, P, P) how the mask lies on each face.

    """
    delta = torch.from_numpy(mask.deltas[member : member + 1].astype(np.float32))
    return placed(delta, places) * allowed(canvas, faces, mask.facts)


def mask_budget(epsilon: float, *, perceptual: bool) -> Budget:
    """What a mask may add; its peak is :attr:`bauta.keys.mask.Facts.peak`."""
    unit = PEAK / Perceptual.cap if perceptual else 1.0
    return pixel_budget(unit * epsilon, perceptual=perceptual)


def allowed(canvas: Canvas, faces: Sequence[Face], facts: Facts) -> Tensor:
    """(N, 1, S, S) share of a mask that each face's surroundings take unseen, 0 to 1."""
    budget = mask_budget(facts.epsilon, perceptual=facts.perceptual)
    ovals = torch.stack([region_mask(face, ("face",)) for face in faces])
    if not facts.perceptual:
        return torch.ones_like(ovals)
    return budget.limits(canvas, ovals) / budget.peak
