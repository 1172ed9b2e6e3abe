"""What was found in the frames of faces, carried into the photo at its full resolution.

Everything goes strip by strip: a strip fits into the processor's cache, and memory stays flat
however large a face is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.geometry import apply, compose, invert, pixel_grid, sample, unit_to_pixels, warp

#: Rows and columns of a photo.
_Area = tuple[slice, slice]
#: Rows of a strip; a multiple of what :func:`bauta.faces.geometry.sample` divides by.
_STRIP = 128


def render_into_photo(
    pixels: NDArray[np.uint8],
    faces: Sequence[Face],
    deltas: Tensor,
    masks: Tensor,
    *,
    limit: float,
    grey: bool = False,
    in_place: bool = False,
) -> NDArray[np.uint8]:
    """Add perturbations to a photo at its full resolution.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        faces: N faces.
        deltas: (N, 3, S, S) perturbations in each face's frame, in grey levels.
        masks: (N or 1, 1, S, S) region masks, 0 to 1.
        limit: largest change of any sample, in grey levels, also where faces overlap.
        grey: keep the three channels' changes equal.
        in_place: change ``pixels`` themselves, for large photos take long to copy.

    Returns:
        A new (H, W, 3) uint8 photo, or ``pixels``. Where the perturbation is below half a grey
        level, and everywhere outside the frames, its samples are the old ones.

    """
    out = pixels if in_place else pixels.copy()
    whole = math.floor(limit)
    masks = masks.expand(len(faces), -1, -1, -1)
    fields = [
        _enlarged(delta[None] * mask[None], face)
        for face, delta, mask in zip(faces, deltas, masks, strict=True)
    ]
    for area, added in _strips(fields, faces, masks, pixels.shape):
        if grey:
            added = added.mean(dim=2, keepdim=True)
        # Whole numbers of two bytes are added in half the time that others take.
        change = added.round().clamp_(-whole, whole).to(torch.int16)
        part = torch.from_numpy(out[area])
        part.copy_((part + change).clamp_(0, 255))
    return out


def move_in_photo(
    pixels: NDArray[np.uint8], faces: Sequence[Face], flows: Tensor, masks: Tensor
) -> NDArray[np.uint8]:
    """Move a photo's pixels at its full resolution.

    Where the frames of faces overlap, their displacements add up.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        faces: N faces.
        flows: (N, 2, G, G) displacements (x, y) in each face's unit frame coordinates.
        masks: (N, 1, S, S) share of the displacement that is carried out, 0 to 1.

    Returns:
        A new (H, W, 3) uint8 photo; outside the frames its samples are the old ones.

    """
    out = pixels.copy()
    fields = []
    for face, flow, mask in zip(faces, flows, masks, strict=True):
        in_photo = torch.einsum("ij,jhw->ihw", torch.from_numpy(face.frame[:, :2]).to(flow), flow)
        size = mask.shape[-2:]
        fine = F.interpolate(in_photo[None], size, mode="bicubic", align_corners=False)
        fields.append(fine * mask)
    for (rows, columns), moves in _strips(fields, faces, masks, pixels.shape):
        # Cubic sampling looks two pixels further than the move itself.
        reach = math.ceil(float(moves.abs().max())) + 2
        top, left = max(0, rows.start - reach), max(0, columns.start - reach)
        source = pixels[top : rows.stop + reach, left : columns.stop + reach].astype(np.float32)
        images = torch.from_numpy(source).permute(2, 0, 1)[None]
        moved = fetch(images, moves[None], (columns.start - left, rows.start - top))
        torch.from_numpy(out[rows, columns]).copy_(moved[0].permute(1, 2, 0).round().clamp_(0, 255))
    return out


def fetch(images: Tensor, moves: Tensor, corner: tuple[int, int] = (0, 0)) -> Tensor:
    """Pixels from where they point. Differentiable in ``moves``.

    Args:
        images: (B, 3, H, W).
        moves: (B, h, w, 2) how far away (x, y) each pixel is fetched, in pixels.
        corner: (x, y) of the pixel of ``images`` that the first of ``moves`` belongs to.

    Returns:
        (B, 3, h, w).

    """
    height, width = images.shape[-2:]
    shift = images.new_tensor([[[1, 0, corner[0]], [0, 1, corner[1]]]])
    here = pixel_grid(shift, (moves.shape[1], moves.shape[2]), (height, width))
    grid = torch.addcmul(here, moves, 2 / images.new_tensor([width, height]))
    # Cubic, since linear interpolation blurs skin texture wherever the move is half a pixel.
    return sample(images, grid, mode="bicubic", padding_mode="border")


def _enlarged(field: Tensor, face: Face) -> Tensor:
    """A (1, C, S, S) field of the frame, fine enough for sampling it bilinearly in the photo."""
    if face.frame_side <= 1.5 * field.shape[-1]:
        return field
    # A bilinear enlargement shows its grid on smooth skin. Cubic to four times the size, and
    # bilinear from there, looks as the cubic one does, and takes half the time. Bytes are enlarged
    # ten times as fast as floats, and are off by a 127th of the largest value at most.
    unit = field.abs().amax().clamp_min(1e-6) / 127
    whole = (field / unit + 128).round().to(torch.uint8)
    large = F.interpolate(whole, scale_factor=4, mode="bicubic", align_corners=False)
    return (large.float() - 128) * unit


def _strips(
    fields: Sequence[Tensor], faces: Sequence[Face], masks: Tensor, shape: tuple[int, ...]
) -> Iterator[tuple[_Area, Tensor]]:
    """Strips of the photo that faces touch, each once, with the sum of their fields there.

    Args:
        fields: per face, (1, C, s, s) values in its frame.
        faces: N faces.
        masks: (N, 1, S, S), 0 where a face's field is.
        shape: the photo's.

    Yields:
        Rows and columns, and (h, w, C) values.

    """
    reaches = [_reach_of(face, mask) for face, mask in zip(faces, masks, strict=True)]
    touched = np.concatenate([np.empty((0, 2, 2)), *reaches])
    if not len(touched):
        return
    first = max(0, math.floor(touched[:, 0, 1].min()))
    last = min(shape[0], math.ceil(touched[:, 1, 1].max()) + 1)
    for top in range(first, last, _STRIP):
        rows = slice(top, min(top + _STRIP, last))
        parts = []
        for field, face, boxes in zip(fields, faces, reaches, strict=True):
            columns = _columns_of(boxes, rows, shape[1])
            if columns is not None:
                parts.append(((rows, columns), _sampled(field, face, (rows, columns))))
        yield from _sum_overlaps(parts)


def _reach_of(face: Face, mask: Tensor) -> NDArray[np.float64]:
    """(N, 2, 2) corners, least and greatest (x, y), of what each pixel on a mask's rim touches.

    Args:
        face: whose.
        mask: (1, S, S) mask of the frame; N of its pixels that are not 0 have a neighbour that is.

    """
    there = F.pad((mask > 0).float(), [1, 1, 1, 1])
    inner = -F.max_pool2d(-there, 3, 1)
    used = torch.nonzero(there[0, 1:-1, 1:-1] > inner[0]).flip(1).double().numpy()
    size = mask.shape[-1]
    # Cubic interpolation reaches two samples further, but not beyond the frame.
    boxes = np.stack([(used - 2).clip(0), (used + 3).clip(max=size)], axis=1) / size
    corners = np.stack(
        [
            apply(face.frame, np.stack([boxes[:, i, 0], boxes[:, j, 1]], axis=1))
            for i in (0, 1)
            for j in (0, 1)
        ]
    )
    return np.stack([corners.min(axis=0), corners.max(axis=0)], axis=1)


def _columns_of(boxes: NDArray[np.float64], rows: slice, width: int) -> slice | None:
    """Columns of a photo, of so many, that (N, 2, 2) boxes touch in some of its rows."""
    there = boxes[(boxes[:, 1, 1] >= rows.start - 1) & (boxes[:, 0, 1] <= rows.stop)]
    if not len(there):
        return None
    left = max(0, math.floor(there[:, 0, 0].min()))
    right = min(width, math.ceil(there[:, 1, 0].max()) + 1)
    return slice(left, right) if left < right else None


def _sampled(field: Tensor, face: Face, area: _Area) -> Tensor:
    """(h, w, C) values of a (1, C, s, s) field of the frame in an area of the photo."""
    shift = np.array([[1.0, 0.0, area[1].start], [0.0, 1.0, area[0].start]])
    to_frame = compose(unit_to_pixels(field.shape[-1]), compose(invert(face.frame), shift))
    size = (area[0].stop - area[0].start, area[1].stop - area[1].start)
    maps = torch.from_numpy(to_frame)[None].to(field)
    return warp(field, maps, size)[0].permute(1, 2, 0)


def _sum_overlaps(parts: Sequence[tuple[_Area, Tensor]]) -> Iterator[tuple[_Area, Tensor]]:
    """Join the parts of a strip that share columns, so that their sum can be limited."""
    group: list[tuple[_Area, Tensor]] = []
    for part in sorted(parts, key=lambda part: part[0][1].start):
        if group and part[0][1].start >= max(columns.stop for (_, columns), _ in group):
            yield _sum(group)
            group = []
        group.append(part)
    if group:
        yield _sum(group)


def _sum(group: Sequence[tuple[_Area, Tensor]]) -> tuple[_Area, Tensor]:
    if len(group) == 1:
        return group[0]
    top, left = (min(area[k].start for area, _ in group) for k in (0, 1))
    bottom, right = (max(area[k].stop for area, _ in group) for k in (0, 1))
    total = group[0][1].new_zeros(bottom - top, right - left, group[0][1].shape[2])
    for (rows, columns), values in group:
        total[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] += (
            values
        )
    return (slice(top, bottom), slice(left, right)), total
