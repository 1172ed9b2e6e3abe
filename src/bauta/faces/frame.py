"""The canonical frame: windows cut around faces, and perturbations rendered onto them.

A :class:`Canvas` is a batch of square windows, one per face, at the photo's own resolution or, for
large faces, scaled down so that the frame has about the resolution that recognizers look at.
Optimisation works on canvases; :mod:`bauta.faces.rendering` carries the result into the photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.geometry import Affine, compose, compose_maps, invert, unit_to_pixels, warp

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

    def __getitem__(self, which: slice | Tensor) -> Canvas:
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
    out = np.zeros((window.side, window.side, 4), dtype=np.uint8)
    if right > left and bottom > top:
        rows = slice(top - window.top, bottom - window.top)
        columns = slice(left - window.left, right - window.left)
        out[rows, columns, :3] = pixels[top:bottom, left:right]
        out[rows, columns, 3] = 255
    planes, side = torch.from_numpy(out).permute(2, 0, 1)[None], window.canvas_side
    if side != window.side:
        # Bytes whose channels lie beside each other are scaled many times as fast as floats.
        planes = F.interpolate(planes, (side, side), mode="bilinear", antialias=True)
    return planes[0].float()


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


def frames_of(canvas: Canvas, size: int = FRAME_SIZE) -> Tensor:
    """(B, 3, size, size) what canvases show in the faces' frames, RGB 0-255.

    Its pixels are those of perturbations, which :func:`render` carries the other way.
    """
    to_unit = torch.from_numpy(invert(unit_to_pixels(size)))[None].to(canvas.images)
    return warp(canvas.images, compose_maps(canvas.frame_to_canvas, to_unit), (size, size))


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
