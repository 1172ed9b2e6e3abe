"""The window that views are made in: a piece of a photo around one face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces.face import FRAME_SIDE, Face
from bauta.faces.geometry import Affine, compose, invert, sample, scale_of
from bauta.views.turning import head_to_photo

#: Half the side of the window in head units: the canonical frame and half as much around it.
HALF = 0.75 * FRAME_SIDE
#: Side of the frame in the window's pixels at which large faces are scaled down.
FRAME_PIXELS = 256
#: What is read from around the window, in head units, since turning fetches from there.
_AROUND = 0.3
#: Pixels per point at which the map from view to photo is computed; it is smooth.
_COARSE = 3


@dataclass(frozen=True, eq=False)
class Window:
    """A piece of a photo, and the pixel grid of the views made from it.

    Attributes:
        image: (1, 3, h, w) RGB 0-255 piece of the photo, at the window's scale.
        to_image: (2, 3) map from head coordinates to its pixels.
        from_head: (2, 3) map from head coordinates to the window's pixels.
        size: (height, width) of the window in pixels.

    """

    image: Tensor
    to_image: Affine
    from_head: Affine
    size: tuple[int, int]

    def points(self) -> Tensor:
        """(h, w, 2) head coordinates all over the window, :data:`_COARSE` pixels apart."""
        lines = []
        for length in self.size:
            count = -(-length // _COARSE)
            lines.append((torch.arange(count) + 0.5) * (length / count) - 0.5)
        return self._in_head(*lines)

    def enlarged(self, values: Tensor) -> Tensor:
        """(C, H, W) for all pixels out of (h, w, C) at :meth:`points`."""
        image = values.permute(2, 0, 1)[None]
        return F.interpolate(image, self.size, mode="bicubic", align_corners=False)[0]

    def fetch(self, origins: Tensor) -> Tensor:
        """Picture whose pixels come from given places of the photo.

        Args:
            origins: (h, w, 2) head coordinates for :meth:`points`.

        Returns:
            (3, H, W) RGB 0-255; beyond the photo its mirror image.

        """
        # What is smooth is how far pixels come, to which their own places are added.
        moves = self.enlarged(origins - self.points()).permute(1, 2, 0)
        here = self._in_head(*(torch.arange(length).float() for length in self.size))
        at = mapped(self.to_image, here + moves)
        size = torch.tensor([self.image.shape[3], self.image.shape[2]])
        grid = ((2 * at + 1) / size - 1)[None]
        out = sample(self.image, grid, mode="bicubic", padding_mode="reflection")
        return out[0].clamp(0, 255)

    def _in_head(self, rows: Tensor, columns: Tensor) -> Tensor:
        """(h, w, 2) head coordinates of the window's rows and columns."""
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        return mapped(invert(self.from_head), torch.stack([x, y], dim=-1))


def mapped(affine: Affine, points: Tensor) -> Tensor:
    """Apply a (2, 3) affine map to (..., 2) points."""
    matrix = torch.from_numpy(affine).to(points)
    return points @ matrix[:, :2].T + matrix[:, 2]


def open_window(pixels: NDArray[np.uint8], face: Face) -> Window:
    """Cut the window around a face.

    Args:
        pixels: (H, W, 3) uint8 RGB photo.
        face: the face.

    Returns:
        The window: a square, cut off where the photo ends, and scaled down so that the face's
        frame has at most :data:`FRAME_PIXELS`.

    Raises:
        UsageError: the face lies outside the photo.

    """
    to_photo = head_to_photo(face)
    limit = np.array([pixels.shape[1], pixels.shape[0]])
    half, around = (reach * scale_of(to_photo) for reach in (HALF, HALF + _AROUND))
    low, high = (np.round(to_photo[:, 2] + s * half).astype(int) for s in (-1, 1))
    low, high = np.clip(low, 0, limit), np.clip(high, 0, limit)
    if (high - low).min() < 1:
        raise UsageError("the face lies outside the photo")
    outer_low = np.clip(np.floor(to_photo[:, 2] - around), 0, low).astype(int)
    outer_high = np.clip(np.ceil(to_photo[:, 2] + around), high, limit).astype(int)
    factor = min(1.0, FRAME_PIXELS / face.frame_side)
    image, to_image = _scaled_piece(pixels, outer_low, outer_high, factor)
    size = np.maximum(1, np.round((high - low) * factor)).astype(int)
    from_photo = _scaling(low, size / (high - low))
    return Window(
        image, compose(to_image, to_photo), compose(from_photo, to_photo),
        (int(size[1]), int(size[0])),
    )  # fmt: skip


def _scaled_piece(
    pixels: NDArray[np.uint8], low: NDArray[np.int_], high: NDArray[np.int_], factor: float
) -> tuple[Tensor, Affine]:
    """A piece of the photo, scaled down, and the map from photo pixels to its pixels."""
    piece = Image.fromarray(pixels[low[1] : high[1], low[0] : high[0]])
    size = np.maximum(1, np.round((high - low) * factor)).astype(int)
    if factor < 1:
        piece = piece.resize((int(size[0]), int(size[1])), Image.Resampling.LANCZOS)
    image = torch.from_numpy(np.array(piece)).permute(2, 0, 1)[None].float()
    return image, _scaling(low, size / (high - low))


def _scaling(low: NDArray[np.int_], scale: NDArray[np.float64]) -> Affine:
    """Map from photo pixels to those of a piece that begins at ``low`` and is scaled."""
    return np.column_stack([np.diag(scale), (0.5 - low) * scale - 0.5])
