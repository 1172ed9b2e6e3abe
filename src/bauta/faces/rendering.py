"""What was found in the frames of faces, carried into the photo at its full resolution.

Everything goes strip by strip: a strip fits into the processor's cache, and memory stays flat
however large a face is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.geometry import apply, compose, invert, sample, unit_to_pixels, warp

#: Rows and columns of a photo.
_Area = tuple[slice, slice]
#: Enlarges (1, C, h, w) values by a whole factor.
_Enlarge = Callable[[Tensor, int], Tensor]
#: Rows of a strip; a multiple of what :func:`bauta.faces.geometry.sample` divides by.
_STRIP = 128
#: Photo pixels per pixel of a field from which bilinear interpolation is seen.
_SEEN = 1.5


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
    fields = [(delta * mask)[None] for delta, mask in zip(deltas, masks, strict=True)]
    for area, added in _strips(fields, faces, masks, pixels.shape, _enlarged):
        if grey:
            added = added.mean(dim=0, keepdim=True).expand(3, -1, -1)
        # Whole numbers of two bytes, in place: a tenth of the time that other types take.
        change = added.round().clamp_(-whole, whole).to(torch.int16)
        part = torch.from_numpy(out[area]).permute(2, 0, 1)
        part.copy_(change.add_(part).clamp_(0, 255))
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
    for (rows, columns), moves in _strips(fields, faces, masks, pixels.shape, _smooth):
        # Cubic sampling looks two pixels further than the move itself.
        reach = math.ceil(float(moves.abs().max())) + 2
        top, left = max(0, rows.start - reach), max(0, columns.start - reach)
        source = pixels[top : rows.stop + reach, left : columns.stop + reach].astype(np.float32)
        images = torch.from_numpy(source).permute(2, 0, 1)[None]
        moved = fetch(images, moves[None], (columns.start - left, rows.start - top))
        part = torch.from_numpy(out[rows, columns]).permute(2, 0, 1)
        part.copy_(moved[0].round_().clamp_(0, 255))
    return out


def fetch(images: Tensor, moves: Tensor, corner: tuple[int, int] = (0, 0)) -> Tensor:
    """Pixels from where they point. Differentiable in ``moves``.

    Args:
        images: (B, 3, H, W).
        moves: (B, 2, h, w) how far away (x, y) each pixel is fetched, in pixels.
        corner: (x, y) of the pixel of ``images`` that the first of ``moves`` belongs to.

    Returns:
        (B, 3, h, w).

    """
    size = images.new_tensor([images.shape[-1], images.shape[-2]])
    ends = [torch.arange(n) + start for n, start in zip(moves.shape[:1:-1], corner, strict=True)]
    x, y = (end.to(moves) for end in ends)
    # Channels stay apart until the end, which both sums and sampling take less time for.
    there = torch.stack([moves[:, 0] + x, moves[:, 1] + y[:, None]], dim=1)
    grid = there.add_(0.5).mul_(2 / size.view(1, 2, 1, 1)).sub_(1).permute(0, 2, 3, 1)
    # Cubic, since linear interpolation blurs skin texture wherever the move is half a pixel.
    return sample(images, grid, mode="bicubic", padding_mode="border")


def _strips(
    fields: Sequence[Tensor],
    faces: Sequence[Face],
    masks: Tensor,
    shape: tuple[int, ...],
    enlarge: _Enlarge,
) -> Iterator[tuple[_Area, Tensor]]:
    """Strips of the photo that faces touch, each once, with the sum of their fields there.

    Args:
        fields: per face, (1, C, s, s) values in its frame.
        faces: N faces.
        masks: (N, 1, S, S), 0 where a face's field is.
        shape: the photo's.
        enlarge: how every few pixels tell the others.

    Yields:
        Rows and columns, and (C, h, w) values.

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
                parts.append(((rows, columns), _sampled(field, face, (rows, columns), enlarge)))
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


def _sampled(field: Tensor, face: Face, area: _Area, enlarge: _Enlarge) -> Tensor:
    """(C, h, w) values of a (1, C, s, s) field of the frame in an area of the photo."""
    height, width = area[0].stop - area[0].start, area[1].stop - area[1].start
    finer = face.frame_side / field.shape[-1]
    # Two thirds of a field's pixel at most, or what is fine in it falls between those sampled.
    step = next((n for n in (4, 2) if 1.5 * n <= finer), 1)
    if step == 1:
        # A bilinear enlargement shows its grid on smooth skin.
        mode = "bicubic" if finer > _SEEN else "bilinear"
        return _taken(field, face, area, 1, (height, width), mode)[0]
    # Sampling every pixel of a large face takes long, and enlarging every fourth one looks the
    # same. Two more on each side, since cubic interpolation looks so far.
    coarse = (-(-height // step) + 4, -(-width // step) + 4)
    few = _taken(field, face, area, step, coarse, "bicubic")
    fine = enlarge(few, step)[0]
    return fine[:, 2 * step : 2 * step + height, 2 * step : 2 * step + width]


def _taken(
    field: Tensor, face: Face, area: _Area, step: int, size: tuple[int, int], mode: str
) -> Tensor:
    """(1, C, h, w) values of a field in the middles of step x step pixels.

    With a step, two such squares left of the area and above it come first.
    """
    first = (step - 1) / 2 - (2 * step if step > 1 else 0)
    to_photo = np.array([[step, 0.0, area[1].start + first], [0.0, step, area[0].start + first]])
    to_frame = compose(unit_to_pixels(field.shape[-1]), compose(invert(face.frame), to_photo))
    return warp(field, torch.from_numpy(to_frame)[None].to(field), size, mode=mode)


def _enlarged(field: Tensor, factor: int) -> Tensor:
    """A (1, C, h, w) field, cubically enlarged; off by a 127th of its largest value at most."""
    # Bytes whose channels lie beside each other are enlarged many times as fast as floats.
    unit = field.abs().amax().clamp_min(1e-6) / 127
    whole = (field / unit + 128).round().to(torch.uint8)
    whole = whole.contiguous(memory_format=torch.channels_last)
    large = F.interpolate(whole, scale_factor=factor, mode="bicubic", align_corners=False)
    return (large.float() - 128) * unit


def _smooth(field: Tensor, factor: int) -> Tensor:
    """A (1, C, h, w) field that is smooth already, linearly enlarged."""
    return F.interpolate(field, scale_factor=factor, mode="bilinear", align_corners=False)


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
    total = group[0][1].new_zeros(group[0][1].shape[0], bottom - top, right - left)
    for (rows, columns), values in group:
        total[
            :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ] += values
    return (slice(top, bottom), slice(left, right)), total
