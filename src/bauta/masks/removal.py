"""Finding a personal mask on faces, and taking it off again.

A mask is found by a matched filter: what a blur takes away from the face is compared with what it
takes away from the mask, and with the same mask turned and shifted, which tells what chance does.
Subtracting it is exact but for what was lost meanwhile: rounding, clipping, JPEG, resizing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.frame import FRAME_SIZE, cut_canvas, frames_of
from bauta.faces.geometry import apply, compose, invert, warp
from bauta.faces.regions import region_mask
from bauta.faces.rendering import move_in_photo, render_into_photo
from bauta.keys.mask import PersonalMask
from bauta.masks.blurring import blurred
from bauta.masks.wearing import additions, allowed

Pixels = NDArray[np.uint8]

#: Sigma of the blur in pixels of the frame, and variance that counts as flat, in grey levels.
_SIGMA, _FLAT = 2.0, 4.0
#: Standard deviations above chance from which a mask is there, and the share of its size. Masks
#: resemble the edges of the face a little, so that their owner's bare photos may fit them by the
#: standards of chance, but then only by a tenth of the mask (docs/results/masks.md).
_SURE, _SHARE = 7.0, 0.12
#: How much more of a mask must be seen than in bare photos that it was fitted on, of which so many
#: are looked at.
_MARGIN, _LIKELIEST = 1.25, 3
#: Searches of where exactly the mask lies: shifts, turns and scales, each half of the one before.
_ROUNDS = 4
#: First of them, as a share of the frame's side.
_FIRST = 0.008
#: Rounds in which what a photo allows, and where pixels came from, are worked out from its result.
_REFINED = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """A mask on a face.

    Attributes:
        worn_by: the face as it was found.
        face: the same face; its frame is where the mask lies.
        member: which of the family.
        score: standard deviations above chance.

    """

    worn_by: Face
    face: Face
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
    enough = max(_SHARE, _MARGIN * mask.facts.bare)
    out = []
    for face in faces:
        one, share = _nearest(photo, face, mask)
        if one.score >= _SURE and share >= enough:
            out.append(one)
    return out


@torch.no_grad()
def bare_share(photos: Sequence[Pixels], faces: Sequence[Face], mask: PersonalMask) -> float:
    """Largest share of a mask that is seen in photos that do not wear it, of the likeliest ones.

    Args:
        photos: (H, W, 3) uint8 RGB photos of the owner.
        faces: the owner's face in each.
        mask: the owner's.

    """
    members = range(len(mask.deltas))
    raw = [
        max(_evidence(photo, face, mask, member)[1] for member in members)
        for photo, face in zip(photos, faces, strict=True)
    ]
    # Aligning takes long; chance is largest where it is large already.
    likeliest = np.argsort(raw)[-_LIKELIEST:].tolist()
    return max(0.0, *(_nearest(photos[at], faces[at], mask)[1] for at in likeliest))


def _nearest(photo: Pixels, face: Face, mask: PersonalMask) -> tuple[Found, float]:
    """The member that a face seems to wear, aligned, and what share of it is seen."""
    scores = [_evidence(photo, face, mask, k)[0] for k in range(len(mask.deltas))]
    member = int(np.argmax(scores))
    # Landmarks lie a little elsewhere than they did without the mask.
    better = _aligned(photo, face, mask, member)
    score, share = _evidence(photo, better, mask, member)
    return Found(worn_by=face, face=better, member=member, score=score), share


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
        photo = _subtracted(photo, one, mask, grey)
        if len(mask.flows):
            photo = _moved_back(photo, one, mask)
    return photo


def _subtracted(photo: Pixels, one: Found, mask: PersonalMask, grey: bool) -> Pixels:
    area = region_mask(one.face, (mask.facts.region,))[None]
    out = photo
    for _ in range(_REFINED if mask.facts.perceptual else 1):
        # What was allowed is known by the photo without the mask, which is being looked for.
        deltas = additions(out, [one.face], mask, one.member)
        out = render_into_photo(photo, [one.face], -deltas, area, limit=mask.facts.peak, grey=grey)
    return out


def _moved_back(photo: Pixels, one: Found, mask: PersonalMask) -> Pixels:
    area = region_mask(one.face, (mask.facts.region,))[None]
    flow = torch.from_numpy(mask.flows[one.member : one.member + 1].astype(np.float32))
    field = F.interpolate(flow, (FRAME_SIZE, FRAME_SIZE), mode="bicubic", align_corners=False)
    inverse = _inverse(field * area)
    return move_in_photo(photo, [one.face], inverse, torch.ones_like(area))


def _inverse(field: Tensor) -> Tensor:
    """The (1, 2, S, S) field that undoes one of displacements in sides of the frame."""
    size = field.shape[-1]
    line = (torch.arange(size) + 0.5) / size
    here = torch.stack(torch.meshgrid(line, line, indexing="xy"), dim=-1)[None]
    back = torch.zeros_like(field)
    for _ in range(_REFINED):
        there = here + back.permute(0, 2, 3, 1)
        back = -F.grid_sample(field, 2 * there - 1, padding_mode="border", align_corners=False)
    return back


def _evidence(photo: Pixels, face: Face, mask: PersonalMask, member: int) -> tuple[float, float]:
    """How far above chance a mask fits a face, in standard deviations, and what share of it."""
    seen, known, weight = _details(photo, face, mask, member)
    seen = seen * weight
    fit = float((seen * known).sum())
    # Mirrored, and shifted to anywhere, the same mask is another one with the same spectrum.
    mirrored = torch.fft.rfft2(known.flip(3))
    chance = torch.fft.irfft2(torch.fft.rfft2(seen) * mirrored.conj(), s=seen.shape[-2:]).sum(1)
    score = (fit - chance.mean()) / chance.std().clamp_min(1e-9)
    return float(score), fit / float((weight * known.square()).sum().clamp_min(1e-9))


def _details(
    photo: Pixels, face: Face, mask: PersonalMask, member: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(1, 3, S, S) fine details of a face, those of the mask as it is worn, and weights."""
    frame = frames_of(cut_canvas([photo], [face]))
    area = region_mask(face, (mask.facts.region,))[None]
    delta = torch.from_numpy(mask.deltas[member : member + 1].astype(np.float32))
    worn = delta * allowed(photo, [face], mask.facts) * area
    seen = frame - blurred(frame, _SIGMA)
    # Where a photo itself is busy, what is seen says little.
    return seen, worn - blurred(worn, _SIGMA), area / (blurred(seen.square(), _SIGMA) + _FLAT)


def _aligned(photo: Pixels, face: Face, mask: PersonalMask, member: int) -> Face:
    """The face with its landmarks where the mask fits best."""
    seen, known, weight = _details(photo, face, mask, member)
    seen = seen * weight
    best = np.zeros(4)
    fit = _fit(seen, known, best)
    for step in [_FIRST / 2**k for k in range(_ROUNDS)]:
        for _ in range(4):
            tries = [best + step * row for row in np.vstack([np.eye(4), -np.eye(4)])]
            fits = [_fit(seen, known, one) for one in tries]
            if max(fits) <= fit:
                break
            best, fit = tries[int(np.argmax(fits))], max(fits)
    return _displaced(face, best)


def _fit(seen: Tensor, known: Tensor, at: NDArray[np.float64]) -> float:
    """How well a mask fits where it is shifted, turned and scaled by shares of the frame."""
    size = known.shape[-1]
    to_mask = torch.from_numpy(_similarity(-at, size, (size - 1) / 2))[None].to(known)
    return float((seen * warp(known, to_mask, (size, size))).sum())


def _similarity(at: NDArray[np.float64], side: float, middle: float) -> NDArray[np.float64]:
    """(2, 3) similarity about the middle of a frame with such a side.

    ``at`` is its shift in x and y, its turn and its scale, each in sides of the frame.
    """
    x, y, turn, scale = at
    # At the rim of the frame, half a side from the middle, a turn moves as far as a shift does.
    factor = (1 + 2 * scale) * np.exp(2j * turn)
    linear = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    centre = np.full(2, middle)
    return np.column_stack([linear, centre - linear @ centre + np.array([x, y]) * side])


def _displaced(face: Face, at: NDArray[np.float64]) -> Face:
    """A face whose frame is shifted, turned and scaled by shares of itself."""
    moves = compose(face.frame, compose(_similarity(at, 1.0, 0.5), invert(face.frame)))
    points = apply(moves, face.landmarks.astype(np.float64))
    return replace(face, landmarks=points.astype(np.float32))
