"""The canonical frame: windows cut around faces, and perturbations rendered from frame to photo.

A :class:`Canvas` is a batch of square windows, one per face, at the photo's own resolution or, for
large faces, scaled down so that the frame has about the resolution that recognizers look at.
Optimisation works on canvases; :func:`render_into_photo` carries the result into the full photo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.geometry import Affine, apply, compose, invert, unit_to_pixels, warp

#: Side of the frame, in canvas pixels, above which a face is scaled down. Equal to FRAME_SIZE, so
#: that a pixel of the perturbation is at least one of the canvas.
CANVAS_FRAME_SIDE = 224
#: Side of a perturbation in the frame, in pixels.
FRAME_SIZE = 224


@dataclass(frozen=True, eq=False)
class Canvas:
    """Windows around B faces.

    Attributes:
        images: (B, 3, C, C) RGB 0-255; 0 outside the photo.
        inside: (B, 1, C, C), 1 where the photo is and 0 outside it.
        frame_to_canvas: (B, 2, 3) maps from unit frame coordinates to canvas pixels.
        scales: (B,) canvas pixels per photo pixel, at most 1.

    """

    images: Tensor
    inside: Tensor
    frame_to_canvas: Tensor
    scales: Tensor

    def __len__(self) -> int:
        """Number of faces."""
        return self.images.shape[0]

    def canvas_to_frame(self, size: int) -> Tensor:
        """(B, 2, 3) maps from canvas pixels to the pixels of a size x size frame."""
        maps = [
            compose(unit_to_pixels(size), invert(m))
            for m in self.frame_to_canvas.double().cpu().numpy()
        ]
        return torch.from_numpy(np.stack(maps)).to(self.frame_to_canvas)

    def to(self, device: torch.device | str) -> Canvas:
        """Return this canvas on another device."""
        moved = (self.images, self.inside, self.frame_to_canvas, self.scales)
        return Canvas(*(tensor.to(device) for tensor in moved))

    def __getitem__(self, which: slice) -> Canvas:
        """Return the canvas of some of the faces."""
        return Canvas(
            self.images[which], self.inside[which], self.frame_to_canvas[which], self.scales[which]
        )


@dataclass(frozen=True)
class _Window:
    """A square window of the photo, in photo pixels, and the canvas pixels per photo pixel."""

    left: int
    top: int
    side: int
    scale: float

    @property
    def canvas_side(self) -> int:
        return max(1, round(self.side * self.scale))


def _window(face: Face) -> _Window:
    """The smallest window that holds the face's frame."""
    corners = face.corners()
    low, high = corners.min(axis=0), corners.max(axis=0)
    side = int(np.ceil((high - low).max())) + 2
    left, top = np.floor((low + high) / 2 - side / 2 + 0.5).astype(int)
    return _Window(int(left), int(top), side, min(1.0, CANVAS_FRAME_SIDE / face.frame_side))


def _cut(pixels: NDArray[np.uint8], window: _Window) -> Tensor:
    """(4, side, side) window at canvas scale: RGB 0-255, and 255 where the photo is."""
    height, width = pixels.shape[:2]
    left, top = max(0, window.left), max(0, window.top)
    right, bottom = min(width, window.left + window.side), min(height, window.top + window.side)
    out = torch.zeros(4, window.side, window.side, dtype=torch.uint8)
    if right > left and bottom > top:
        part = torch.from_numpy(pixels[top:bottom, left:right].copy())
        rows = slice(top - window.top, bottom - window.top)
        columns = slice(left - window.left, right - window.left)
        out[:3, rows, columns] = part.permute(2, 0, 1)
        out[3, rows, columns] = 255
    side = window.canvas_side
    if side != window.side:
        small = F.interpolate(out[None].float(), (side, side), mode="bilinear", antialias=True)
        return small[0]
    return out.float()


def cut_canvas(photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face]) -> Canvas:
    """Cut one window per face.

    Args:
        photos: per face, the (H, W, 3) uint8 RGB photo it is in (repeat a photo for its faces).
        faces: the faces.

    Returns:
        A canvas whose side is that of the largest window; smaller ones are padded with nothing.

    """
    windows = [_window(face) for face in faces]
    side = -(-max(window.canvas_side for window in windows) // 16) * 16
    data = torch.zeros(len(faces), 4, side, side)
    maps = []
    for index, (photo, face, window) in enumerate(zip(photos, faces, windows, strict=True)):
        inner = window.canvas_side
        data[index, :, :inner, :inner] = _cut(photo, window)
        maps.append(compose(_photo_to_canvas(window), face.frame))
    return Canvas(
        images=data[:, :3],
        inside=(data[:, 3:] > 254.5).float(),
        frame_to_canvas=torch.from_numpy(np.stack(maps)).float(),
        scales=torch.tensor([w.canvas_side / w.side for w in windows]),
    )


def _photo_to_canvas(window: _Window) -> Affine:
    # Pixel centres are integers, so edges lie half a pixel out: scale about the window's edge.
    scale = window.canvas_side / window.side
    shift = [(0.5 - edge) * scale - 0.5 for edge in (window.left, window.top)]
    return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])


def render(
    delta: Tensor, mask: Tensor, maps: Tensor, side: int, *, mode: str = "bilinear"
) -> Tensor:
    """Render perturbations from the frame onto canvases. Differentiable in ``delta``.

    Args:
        delta: (B, 3, S, S) perturbations in the frame, in grey levels.
        mask: (B or 1, 1, S, S) where the perturbation may be, 0 to 1.
        maps: (B, 2, 3) from :meth:`Canvas.canvas_to_frame`.
        side: side of the canvas.
        mode: interpolation.

    Returns:
        (B, 3, side, side) what is to be added to the canvases.

    """
    return warp(delta * mask, maps, (side, side), mode=mode)


def render_into_photo(
    pixels: NDArray[np.uint8],
    faces: Sequence[Face],
    deltas: Tensor,
    masks: Tensor,
    *,
    limit: float,
    grey: bool = False,
) -> NDArray[np.uint8]:
    """Add perturbations to a photo at its full resolution.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        faces: N faces.
        deltas: (N, 3, S, S) perturbations in each face's frame, in grey levels.
        masks: (N or 1, 1, S, S) region masks, 0 to 1.
        limit: largest change of any sample, in grey levels, also where faces overlap.
        grey: keep the three channels' changes equal.

    Returns:
        A new (H, W, 3) uint8 photo. Where the perturbation is below half a grey level, and
        everywhere outside the frames, its samples are the old ones.

    """
    out = pixels.copy()
    whole = math.floor(limit)
    change: dict[int, tuple[tuple[slice, slice], Tensor]] = {}
    for index, face in enumerate(faces):
        mask = masks[index % masks.shape[0]][None]
        area = area_of(face, mask, pixels.shape)
        if area is None:
            continue
        change[index] = (area, render_area(deltas[index][None], mask, face, area))
    total = sum_overlaps(change, pixels.shape)
    for area, added in total:
        if grey:
            added = added.mean(dim=2, keepdim=True)
        added = added.round().clamp(-whole, whole)
        part = torch.from_numpy(pixels[area].astype(np.float32)) + added
        out[area] = part.clamp(0, 255).to(torch.uint8).numpy()
    return out


def area_of(face: Face, mask: Tensor, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """Rows and columns of the photo that what is in a (1, 1, S, S) mask of the frame touches."""
    used = torch.nonzero(mask[0, 0] > 0)
    if not len(used):
        return None
    size = mask.shape[-1]
    # Cubic interpolation reaches two samples further, but not beyond the frame.
    first = (used.min(dim=0).values - 2).clamp(min=0).flip(0).tolist()
    last = (used.max(dim=0).values + 3).clamp(max=size).flip(0).tolist()
    box = np.array([[x, y] for x in (first[0], last[0]) for y in (first[1], last[1])]) / size
    corners = apply(face.frame, box)
    low = np.floor(corners.min(axis=0)).astype(int)
    high = np.ceil(corners.max(axis=0)).astype(int) + 1
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (shape[1], shape[0]))
    if right <= left or bottom <= top:
        return None
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def render_area(
    delta: Tensor, mask: Tensor, face: Face, area: tuple[slice, slice], *, smooth: bool = False
) -> Tensor:
    """(h, w, C) rendering of (1, C, S, S) ``delta`` times ``mask`` into an area of the photo.

    What is ``smooth`` already needs no cubic interpolation.
    """
    content = delta * mask
    if face.frame_side > 1.5 * delta.shape[-1] and not smooth:
        # A bilinear enlargement shows its grid on smooth skin. Cubic to four times the size, and
        # bilinear from there, looks as the cubic one does, and takes half the time.
        content = F.interpolate(content, scale_factor=4, mode="bicubic", align_corners=False)
    size = content.shape[-1]
    shift = np.array([[1.0, 0.0, area[1].start], [0.0, 1.0, area[0].start]])
    to_frame = compose(unit_to_pixels(size), compose(invert(face.frame), shift))
    height, width = area[0].stop - area[0].start, area[1].stop - area[1].start
    maps = torch.from_numpy(to_frame)[None].to(delta)
    return warp(content, maps, (height, width))[0].permute(1, 2, 0).cpu()


def sum_overlaps(
    change: dict[int, tuple[tuple[slice, slice], Tensor]], shape: tuple[int, ...]
) -> list[tuple[tuple[slice, slice], Tensor]]:
    """Join areas that overlap into one, so that their sum can be limited."""
    groups: list[list[tuple[tuple[slice, slice], Tensor]]] = []
    for item in change.values():
        touching = [g for g in groups if any(_touch(item[0], other[0]) for other in g)]
        groups = [g for g in groups if all(g is not other for other in touching)]
        groups.append([item, *(other for g in touching for other in g)])
    return [group[0] if len(group) == 1 else _joined(group) for group in groups]


def _touch(a: tuple[slice, slice], b: tuple[slice, slice]) -> bool:
    return all(p.start < q.stop and q.start < p.stop for p, q in zip(a, b, strict=True))


def _joined(group: list[tuple[tuple[slice, slice], Tensor]]) -> tuple[tuple[slice, slice], Tensor]:
    tops, lefts = ([area[k].start for area, _ in group] for k in (0, 1))
    bottoms, rights = ([area[k].stop for area, _ in group] for k in (0, 1))
    top, left = min(tops), min(lefts)
    total = torch.zeros(max(bottoms) - top, max(rights) - left, group[0][1].shape[2])
    for (rows, columns), added in group:
        total[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] += (
            added
        )
    return (slice(top, max(bottoms)), slice(left, max(rights))), total
