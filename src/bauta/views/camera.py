"""What a camera, its settings and a website do to a picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from bauta.faces.luma import LUMA

_LUMA = torch.tensor(LUMA)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """How a picture is taken and stored.

    Attributes:
        warmth: colour temperature, -1 (bluish) to 1 (reddish).
        gamma: above 1 darker, below 1 brighter, in the middle tones.
        contrast: 1 leaves it as it is.
        saturation: 1 leaves it as it is, 0 is grey.
        blur: standard deviation, as a share of the frame's side.
        resolution: pixels per side of the frame that are left, or 0 for all there are.
        noise: standard deviation in grey levels.
        quality: of JPEG, 1 to 95, or 0 for none.

    """

    warmth: float = 0.0
    gamma: float = 1.0
    contrast: float = 1.0
    saturation: float = 1.0
    blur: float = 0.0
    resolution: int = 0
    noise: float = 0.0
    quality: int = 0

    def take(self, picture: Tensor, frame: float, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Take a picture.

        Args:
            picture: (3, H, W) RGB 0-255; a grey one stays grey.
            frame: side of the face's frame in pixels.
            rng: draws the noise.

        Returns:
            (H, W, 3) uint8 RGB.

        """
        grey = bool((picture.amax(0) - picture.amin(0)).mean() < 2)
        if not grey:
            picture = self._coloured(picture)
        picture = self._toned(picture)
        noise = rng.normal(0.0, self.noise, (picture.shape[1], picture.shape[2], 1 if grey else 3))
        image = self._softened(Image.fromarray(_bytes(picture)), frame)
        noisy = np.clip(np.round(np.asarray(image) + noise), 0, 255).astype(np.uint8)
        return _compressed(noisy, self.quality) if self.quality else noisy

    def _coloured(self, picture: Tensor) -> Tensor:
        gains = torch.tensor([1 + 0.10 * self.warmth, 1.0, 1 - 0.12 * self.warmth])
        picture = picture * (gains / (gains @ _LUMA))[:, None, None]
        luma = torch.einsum("c,chw->hw", _LUMA, picture)
        return luma + self.saturation * (picture - luma)

    def _toned(self, picture: Tensor) -> Tensor:
        value = (picture / 255).clamp(0, 1) ** self.gamma
        # An S-curve, which has no corners: contrast does not clip shadows.
        curve = value * value * (3 - 2 * value)
        return 255 * (value + 2 * (self.contrast - 1) * (curve - value))

    def _softened(self, image: Image.Image, frame: float) -> Image.Image:
        if self.blur:
            image = image.filter(ImageFilter.GaussianBlur(self.blur * frame))
        if not 0 < self.resolution < frame:
            return image
        factor = self.resolution / frame
        small = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        return image.resize(small, Image.Resampling.BOX).resize(
            image.size, Image.Resampling.BICUBIC
        )


def _bytes(picture: Tensor) -> NDArray[np.uint8]:
    out: NDArray[np.uint8] = (
        picture.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    )
    return out


def _compressed(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """What is left of a picture after JPEG at a quality."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file).convert("RGB"))
