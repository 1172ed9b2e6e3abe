"""Augmentation of faces in training: every image of a batch is changed in its own way.

A network trained on few photos learns from what is done to them. Geometry is one warp out of the
stored frame; light, colour and damage follow on the crop. Strengths follow the trial recorded in
the recipes; all draws come from one generator.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

from bauta.faces.geometry import about_centre, compose_maps, unit_to_pixels, warp
from bauta.faces.luma import luma
from bauta.recognizers.base import Crop


@dataclass(frozen=True, kw_only=True)
class Augment:
    """How faces are changed.

    Attributes:
        flip: probability of mirroring.
        scale: the crop is enlarged by up to this factor, or shrunk as much.
        rotation: largest rotation in radians.
        shift: largest shift, as a share of the crop's side.
        light: probability of another brightness, contrast, gamma, saturation and colour cast.
        shade: probability of light that falls off to one side.
        grey: probability of losing colour.
        blur: probability of blur.
        small: probability of passing through a lower resolution.
        noise: probability of noise.
        jpeg: probability of compression.
        occlude: probability of a covered rectangle.
        mix: probability that a batch is mixed with its own reversal.

    """

    flip: float = 0.5
    scale: float = 1.12
    rotation: float = 0.15
    shift: float = 0.06
    light: float = 0.8
    shade: float = 0.25
    grey: float = 0.1
    blur: float = 0.2
    small: float = 0.2
    noise: float = 0.2
    jpeg: float = 0.2
    occlude: float = 0.25
    mix: float = 0.0

    def crop(self, frames: Tensor, crop: Crop, generator: Generator) -> Tensor:
        """Cut jittered crops out of frames.

        Args:
            frames: (B, 3, S, S) RGB 0-255.
            crop: what the network looks at.
            generator: where randomness comes from.

        Returns:
            (B, 3, size, size) RGB 0-255.

        """
        return warp(frames, self._maps(frames, crop, generator), (crop.size, crop.size))

    def _maps(self, frames: Tensor, crop: Crop, generator: Generator) -> Tensor:
        count = frames.shape[0]
        u = torch.rand(count, 5, generator=generator, dtype=torch.float64)
        scale = torch.exp((2 * u[:, 0] - 1) * math.log(self.scale))
        angle = (2 * u[:, 1] - 1) * self.rotation
        cos, sin = scale * torch.cos(angle), scale * torch.sin(angle)
        mirror = torch.where(u[:, 4] < self.flip, -1.0, 1.0)
        shift = (2 * u[:, 2:4] - 1) * self.shift
        linear = torch.stack([mirror * cos, -sin, mirror * sin, cos], dim=1).view(count, 2, 2)
        jitter = torch.cat([linear, shift[:, :, None]], dim=2)
        return (
            compose_maps(frame_map(frames, crop), about_centre(jitter, crop.size))
            .float()
            .to(frames.device)
        )

    def change(self, crops: Tensor, generator: Generator) -> Tensor:
        """Change light, colour and detail of (B, 3, H, W) crops, RGB 0-255."""
        steps: list[tuple[float, Callable[[Tensor, Generator], Tensor]]] = [
            (self.light, _light),
            (self.shade, _shade),
            (self.grey, _grey),
            (self.blur, _blur),
            (self.small, _small),
            (self.noise, _noise),
            (self.jpeg, _jpeg),
            (self.occlude, _occlude),
        ]
        for probability, step in steps:
            chosen = torch.rand(len(crops), generator=generator) < probability
            if bool(chosen.any()):
                which = chosen.to(crops.device)
                crops = crops.clone()
                crops[which] = step(crops[which], generator).clamp(0, 255)
        return crops


#: Crops as recognizers cut them, for evaluation.
PLAIN = Augment(
    flip=0, scale=1, rotation=0, shift=0, light=0, shade=0, grey=0,
    blur=0, small=0, noise=0, jpeg=0, occlude=0,
)  # fmt: skip


def frame_map(frames: Tensor, crop: Crop) -> Tensor:
    """(2, 3) map from crop pixels to the pixels of (B, 3, S, S) stored frames."""
    outer = torch.from_numpy(unit_to_pixels(frames.shape[-1]))
    return compose_maps(outer, torch.from_numpy(crop.to_frame))


def plain_crop(frames: Tensor, crop: Crop) -> Tensor:
    """(B, 3, size, size) crops of (B, 3, S, S) frames, as the recognizer cuts them."""
    maps = frame_map(frames, crop).float().to(frames.device)
    return warp(frames, maps[None].expand(len(frames), 2, 3), (crop.size, crop.size))


def _uniform(like: Tensor, generator: Generator, low: float, high: float, *shape: int) -> Tensor:
    """(B, *shape) uniform numbers."""
    u = torch.rand(len(like), *shape, generator=generator)
    return (low + (high - low) * u).to(like)


def _light(x: Tensor, generator: Generator) -> Tensor:
    gamma = torch.exp(_uniform(x, generator, -0.5, 0.5, 1, 1, 1))
    x = 255 * (x / 255).clamp(min=1e-4) ** gamma
    luma = x.mean(dim=1, keepdim=True)
    x = luma + _uniform(x, generator, 0.5, 1.5, 1, 1, 1) * (x - luma)
    mean = x.mean(dim=(2, 3), keepdim=True)
    x = mean + _uniform(x, generator, 0.6, 1.4, 1, 1, 1) * (x - mean)
    cast = _uniform(x, generator, -12, 12, 3, 1, 1)
    return x * _uniform(x, generator, 0.7, 1.3, 1, 1, 1) + cast


def _shade(x: Tensor, generator: Generator) -> Tensor:
    line = torch.linspace(-1, 1, x.shape[-1], device=x.device)
    angle = _uniform(x, generator, 0, 2 * math.pi, 1, 1, 1)
    slope = torch.cos(angle) * line.view(1, 1, 1, -1) + torch.sin(angle) * line.view(1, 1, -1, 1)
    return x * (1 + _uniform(x, generator, 0.1, 0.6, 1, 1, 1) * slope)


def _grey(x: Tensor, generator: Generator) -> Tensor:
    del generator
    return luma(x).expand_as(x)


def _blur(x: Tensor, generator: Generator) -> Tensor:
    """Gaussian blur of 0.4 to 2 pixels, each image by its own kernel."""
    sigma = _uniform(x, generator, 0.4, 2.0, 1)
    at = torch.arange(-4, 5, device=x.device, dtype=x.dtype)
    line = torch.exp(-at.square() / (2 * sigma.square()))
    kernel = (line / line.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)
    count, _, height, width = x.shape
    flat = F.pad(x, [4] * 4, mode="replicate").reshape(1, count * 3, height + 8, width + 8)
    rows = F.conv2d(flat, kernel.view(-1, 1, 1, 9), groups=count * 3)
    return F.conv2d(rows, kernel.view(-1, 1, 9, 1), groups=count * 3).view_as(x)


def _small(x: Tensor, generator: Generator) -> Tensor:
    share = 0.25 + 0.5 * float(torch.rand(1, generator=generator))
    side = max(8, round(x.shape[-1] * share))
    down = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
    return F.interpolate(down, x.shape[-2:], mode="bilinear", align_corners=False)


def _noise(x: Tensor, generator: Generator) -> Tensor:
    deviation = _uniform(x, generator, 2, 14, 1, 1, 1)
    return x + deviation * torch.randn(x.shape, generator=generator).to(x)


def _jpeg(x: Tensor, generator: Generator) -> Tensor:
    images = x.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    qualities = torch.randint(20, 90, (len(x),), generator=generator).tolist()
    out = []
    for image, quality in zip(images, qualities, strict=True):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=quality)
        out.append(np.asarray(Image.open(stream)))
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2).to(x)


def _occlude(x: Tensor, generator: Generator) -> Tensor:
    size = x.shape[-1]
    at = torch.arange(size).view(1, -1)
    u = torch.rand(len(x), 4, generator=generator)
    extent = size * (0.15 + 0.35 * u[:, :2])
    start = u[:, 2:] * (size - extent)
    rows = (at >= start[:, :1]) & (at < start[:, :1] + extent[:, :1])
    columns = (at >= start[:, 1:]) & (at < start[:, 1:] + extent[:, 1:])
    hole = (rows[:, None, :, None] & columns[:, None, None, :]).to(x.device)
    colour = _uniform(x, generator, 0, 255, 3, 1, 1)
    return torch.where(hole, colour.expand_as(x), x)
