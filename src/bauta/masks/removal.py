"""Finding a personal mask on faces, and taking it off again.

A mask is found by a matched filter: what a blur takes away from the face is compared with what it
takes away from the mask, and with the same mask turned and shifted, which tells what chance does.
Masks of other people lie on brows and eyes as well, so what is found in doubt has to bring the
key's owner to light. Subtracting is exact but for what was lost meanwhile: rounding, clipping,
JPEG, resizing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.blurring import blurred
from bauta.faces.face import Face
from bauta.faces.frame import FRAME_SIZE, cut_canvas, frames_of
from bauta.faces.landmarks import PREDICTORS, find_landmarks
from bauta.faces.placement import inverse, placed, placed_flows, placements
from bauta.faces.regions import region_mask
from bauta.faces.rendering import move_in_photo, render_into_photo
from bauta.keys.mask import PersonalMask
from bauta.masks.owner import likeness
from bauta.masks.wearing import additions, allowed

Pixels = NDArray[np.uint8]

#: Sigma of the blur in pixels of the frame, and variance that counts as flat, in grey levels.
_SIGMA, _FLAT = 2.0, 4.0
#: Standard deviations above chance from which a mask may be there, and from which nobody else's can
#: be mistaken for it (docs/results/masks.md).
_LIKELY, _SURE = 2.0, 8.0
#: In between: the share of the mask that has to be seen, and how like the owner the face below it
#: has to be; see :func:`bauta.masks.owner.likeness`.
_CLEAR, _ALIKE = 0.2, 0.3
#: By how much less a bent mask tells than one that lies where the face says: it fits others too.
_BENT = 1 / 3
#: How much more of a mask must be seen than in bare photos that it was fitted on, of which so many
#: are looked at.
_MARGIN, _LIKELIEST = 1.1, 3
#: Rounds in which what a photo allows is worked out from its result.
_REFINED = 4
#: Points along each side of the frame that bend a mask until it fits, and in how many steps.
_KNOTS, _BENDS = 6, 40
#: The first step, in sides of the frame, and what a square of these costs, in shares of the mask.
_PACE, _STIFFNESS = 8e-4, 5.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """A mask on a face.

    Attributes:
        face: who wears it.
        places: (1, 2, P, P) how the mask lies on the face; see :mod:`bauta.faces.placement`.
        member: which of the family.
        score: standard deviations above chance.

    """

    face: Face
    places: Tensor
    member: int
    score: float


@torch.no_grad()
def find_mask(photo: Pixels, faces: Sequence[Face], mask: PersonalMask) -> list[Found]:
    """The faces that wear a mask.

    Args:
        photo: (H, W, 3) uint8 RGB.
        faces: faces in it.
        mask: whose.

    Returns:
        One entry for each face that wears it.

    """
    out = []
    for face in faces:
        one, share = _nearest(photo, face, mask)
        if one.score < _LIKELY:
            continue
        one, share = _fitted(photo, mask, one, share)
        if share < _MARGIN * mask.facts.bare:
            continue
        if one.score >= _SURE or (share >= _CLEAR and _hides_owner(photo, one, mask)):
            out.append(one)
    return out


def _hides_owner(photo: Pixels, one: Found, mask: PersonalMask) -> bool:
    """Whether the face that comes to light is the owner's."""
    if not mask.owner:
        return False
    below = take_off(photo, [one], mask)
    return bool(likeness(below, [one.face], mask.owner)[0] >= _ALIKE)


@torch.no_grad()
def bare_share(photos: Sequence[Pixels], faces: Sequence[Face], mask: PersonalMask) -> float:
    """Largest share of a mask that is seen in photos that do not wear it, of the likeliest ones.

    Args:
        photos: (H, W, 3) uint8 RGB photos of the owner.
        faces: the owner's face in each.
        mask: the owner's.

    """
    looks = [_nearest(*look, mask) for look in zip(photos, faces, strict=True)]
    # Bending takes long; chance is largest where it is large already.
    likeliest = np.argsort([share for _, share in looks])[-_LIKELIEST:].tolist()
    return max(0.0, *(_fitted(photos[at], mask, *looks[at])[1] for at in likeliest))


def _nearest(photo: Pixels, face: Face, mask: PersonalMask) -> tuple[Found, float]:
    """The member that a face seems to wear, and what share of it is seen."""
    places = placements(cut_canvas([photo], [face]))
    looks = [_evidence(photo, face, mask, k, places) for k in range(len(mask.deltas))]
    member = int(np.argmax([score for score, _ in looks]))
    score, share = looks[member]
    return Found(face=face, places=places, member=member, score=score), share


def _fitted(photo: Pixels, mask: PersonalMask, one: Found, share: float) -> tuple[Found, float]:
    """The same, bent until it fits: landmarks and mesh lie a little elsewhere with a mask."""
    one = replace(one, places=_bent(photo, one, mask))
    bent = _evidence(photo, one.face, mask, one.member, one.places)[1]
    return one, share + _BENT * (bent - share)


def take_off(
    photo: Pixels, found: Sequence[Found], mask: PersonalMask, *, grey: bool = False
) -> Pixels:
    """Subtract a mask from the faces that wear it, and move pixels back.

    Args:
        photo: (H, W, 3) uint8 RGB.
        found: from :func:`find_mask`.
        mask: whose.
        grey: the photo has no colour, and was given none by :func:`bauta.masks.wearing.put_on`.

    Returns:
        A new photo.

    """
    for one in found:
        # The face that comes back tells better than the masked one where the mask lies on it.
        there = _looked_at_again(_without(photo, one, mask, grey), one)
        photo = _without(photo, there, mask, grey)
    return photo


def _looked_at_again(photo: Pixels, one: Found) -> Found:
    face = one.face
    if face.scheme in PREDICTORS:
        points = find_landmarks(photo, face.box, scheme=face.scheme)
        face = replace(face, landmarks=points)
    return replace(one, face=face, places=placements(cut_canvas([photo], [face])))


def _without(photo: Pixels, one: Found, mask: PersonalMask, grey: bool) -> Pixels:
    area = region_mask(one.face, (mask.facts.region,))[None]
    back = _back(one, mask, area) if len(mask.flows) else None
    out = photo
    for _ in range(_REFINED if mask.facts.perceptual else 1):
        # What was allowed is known by the photo without the mask, which is being looked for.
        canvas = cut_canvas([out], [one.face])
        deltas = -additions(canvas, [one.face], mask, one.member, one.places)
        out = render_into_photo(photo, [one.face], deltas, area, limit=mask.facts.peak, grey=grey)
        if back is not None:
            out = move_in_photo(out, [one.face], back, torch.ones_like(area))
    return out


def _back(one: Found, mask: PersonalMask, area: Tensor) -> Tensor:
    """(1, 2, S, S) displacements that undo a mask's, of which it carries out an ``area``."""
    flow = torch.from_numpy(mask.flows[one.member : one.member + 1].astype(np.float32))
    flow = placed_flows(flow, one.places)
    field = F.interpolate(flow, (FRAME_SIZE, FRAME_SIZE), mode="bicubic", align_corners=False)
    return inverse(field * area)


def _evidence(
    photo: Pixels, face: Face, mask: PersonalMask, member: int, places: Tensor
) -> tuple[float, float]:
    """How far above chance a mask fits a face, in standard deviations, and what share of it."""
    seen, known, weight = _details(photo, face, mask, member, places)
    seen = seen * weight
    fit = float((seen * known).sum())
    # Mirrored, and shifted to anywhere, the same mask is another one with the same spectrum.
    mirrored = torch.fft.rfft2(known.flip(3))
    chance = torch.fft.irfft2(torch.fft.rfft2(seen) * mirrored.conj(), s=seen.shape[-2:]).sum(1)
    score = (fit - chance.mean()) / chance.std().clamp_min(1e-9)
    return float(score), fit / float((weight * known.square()).sum().clamp_min(1e-9))


def _details(
    photo: Pixels, face: Face, mask: PersonalMask, member: int, places: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(1, 3, S, S) fine details of a face, those of the mask as it is worn, and weights."""
    canvas = cut_canvas([photo], [face])
    frame = frames_of(canvas)
    area = region_mask(face, (mask.facts.region,))[None]
    worn = additions(canvas, [face], mask, member, places) * area
    seen = frame - blurred(frame, _SIGMA)
    # Where a photo itself is busy, what is seen says little.
    return seen, worn - blurred(worn, _SIGMA), area / (blurred(seen.square(), _SIGMA) + _FLAT)


@torch.enable_grad()
def _bent(photo: Pixels, one: Found, mask: PersonalMask) -> Tensor:
    """How a mask lies on a face, bent until it fits best."""
    face, member, places = one.face, one.member, one.places
    seen, known, weight = _details(photo, face, mask, member, places)
    seen = seen * weight
    # A blur is its own transpose, so what it takes away can be taken from either side.
    wanted = (seen - blurred(seen, _SIGMA)) * allowed(
        cut_canvas([photo], [face]), [face], mask.facts
    )
    wanted = wanted * region_mask(face, (mask.facts.region,))
    wanted = wanted / (weight * known.square()).sum().clamp_min(1e-9)
    delta = torch.from_numpy(mask.deltas[member : member + 1].astype(np.float32))
    knots = torch.zeros(1, 2, _KNOTS, _KNOTS, requires_grad=True)
    optimiser = torch.optim.Adam([knots], lr=_PACE)
    slowing = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, _BENDS)
    for _ in range(_BENDS):
        there = places + F.interpolate(knots, places.shape[-2:], mode="bicubic", align_corners=True)
        loss = _STIFFNESS * knots.square().sum() - (wanted * placed(delta, there)).sum()
        (knots.grad,) = torch.autograd.grad(loss, knots)
        optimiser.step()
        slowing.step()
    return there.detach()
