"""What happens to a photo on its way: each distortion is one that a watermark is to outlive.

All take (B, 3, S, S) frames, RGB 0-255, and hand gradients on. Geometry is that of a face which is
found anew: its frame then lies a little elsewhere.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Generator, Tensor

from bauta.engine.blurring import blurred
from bauta.engine.transforms import Jitter, Jpeg
from bauta.faces.geometry import about_centre, warp
from bauta.faces.luma import luma

Distortion = Callable[[Tensor, Generator], Tensor]
#: How far a frame lies elsewhere when its face is found anew.
REALIGNED = Jitter(scale=1.08, rotation=0.04, shift=0.02)
_QUALITY = (30.0, 95.0)


def identity(frames: Tensor, generator: Generator) -> Tensor:
    """Nothing."""
    del generator
    return frames


def realigned(frames: Tensor, generator: Generator, jitter: Jitter = REALIGNED) -> Tensor:
    """The frame, found anew."""
    side = frames.shape[-1]
    maps = about_centre(jitter.draw(len(frames), generator), side)
    return warp(frames, maps.to(frames), (side, side))


def jpeg(frames: Tensor, generator: Generator) -> Tensor:
    """Real JPEG of quality 30 to 95, whose gradient is passed through."""
    quality = round(_uniform(generator, *_QUALITY))
    subsampling = 2 if _uniform(generator, 0, 1) < 0.5 else 0
    return frames + (compressed(frames, quality, subsampling) - frames).detach()


def compressed(frames: Tensor, quality: int, subsampling: int = 2) -> Tensor:
    """Frames as JPEG files hold them; no gradients."""
    files = frames.detach().round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    out = []
    for pixels in files:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
        out.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2).to(frames)


def soft_jpeg(frames: Tensor, generator: Generator) -> Tensor:
    """Differentiable JPEG (kornia's), likewise."""
    return Jpeg(probability=1.0, quality=_QUALITY)(frames, 1, generator)


def noise(frames: Tensor, generator: Generator) -> Tensor:
    """Gaussian noise of up to 8 grey levels."""
    deviation = _uniform(generator, 1, 8)
    return frames + deviation * torch.randn(frames.shape, generator=generator).to(frames)


def blur(frames: Tensor, generator: Generator) -> Tensor:
    """Gaussian blur of up to 1.6 pixels of 128."""
    return blurred(frames, _uniform(generator, 0.4, 1.6) * frames.shape[-1] / 128)


def resize(frames: Tensor, generator: Generator) -> Tensor:
    """Down to between a third and nine tenths, and back."""
    side = frames.shape[-1]
    small = max(16, round(side * _uniform(generator, 0.35, 0.9)))
    down = F.interpolate(frames, (small, small), mode="bilinear", antialias=True)
    return F.interpolate(down, (side, side), mode="bicubic", align_corners=False)


def shared(frames: Tensor, generator: Generator) -> Tensor:
    """As a social network does: smaller, then JPEG, then found anew."""
    return realigned(jpeg(resize(frames, generator), generator), generator)


def colour(frames: Tensor, generator: Generator) -> Tensor:
    """Another brightness and contrast, and more, less or no colour."""
    gain, lift = _uniform(generator, 0.8, 1.2), _uniform(generator, -16, 16)
    grey = luma(frames)
    return (grey + (frames - grey) * _uniform(generator, 0, 1.4)) * gain + lift


def dropout(frames: Tensor, generator: Generator) -> Tensor:
    """A patch is hidden, by a sticker or a frame's edge."""
    side = frames.shape[-1]
    height, width = (round(side * _uniform(generator, 0.1, 0.35)) for _ in range(2))
    top, left = (round(_uniform(generator, 0, side - length)) for length in (height, width))
    kept = torch.ones_like(frames[:1, :1])
    kept[..., top : top + height, left : left + width] = 0
    return frames * kept + 128 * (1 - kept)


#: Those of training, by name.
DISTORTIONS: dict[str, Distortion] = {
    "identity": identity,
    "realigned": realigned,
    "jpeg": jpeg,
    "soft-jpeg": soft_jpeg,
    "noise": noise,
    "blur": blur,
    "resize": resize,
    "shared": shared,
    "colour": colour,
    "dropout": dropout,
}


def _uniform(generator: Generator, low: float, high: float) -> float:
    if math.isclose(low, high):
        return low
    return low + (high - low) * float(torch.rand((), generator=generator))
