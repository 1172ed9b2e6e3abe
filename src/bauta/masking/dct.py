"""The block discrete cosine transform of an enlarged photo, as one convolution.

PPFR-FD and those after it enlarge a photo eightfold (bilinear), go to YCbCr as JPEG does, cut it
into blocks of 8 x 8 and transform each; coefficients of one frequency from all blocks are a
channel. Enlarging and transforming are linear and look no further than a pixel's neighbours, so
that all of it is a convolution of 3 x 3 pixels, and the image of 64 times as many never exists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bauta.errors import UsageError

#: Side of a block, frequencies of a colour, and of all three.
BLOCK = 8
PER_COLOUR = BLOCK * BLOCK
CHANNELS = 3 * PER_COLOUR
#: Frequencies that say something. Between two pixels an enlarged photo is a straight line, in which
#: the cosine of half the block's length finds nothing, whatever the photo.
LIVE = tuple(f for f in range(PER_COLOUR) if f // BLOCK != BLOCK // 2 and f % BLOCK != BLOCK // 2)
#: Those that say different things. In one direction, all odd frequencies see a pixel's slope (the
#: next less the last), and all even ones its bend (twice itself, less both): they differ by a
#: factor alone, which normalising takes away. So of 64 frequencies nine are left, the lowest of
#: each kind; the first is the mean.
KINDS = tuple(BLOCK * u + v for u in range(3) for v in range(3))
#: JPEG's YCbCr from RGB, its middle of 128 left out.
TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168735892, -0.331264108, 0.5),
    (0.5, -0.418687589, -0.081312411),
)
_MIDDLE = 128.0


class BlockDct(nn.Module):
    """Map (B, 3, H, W) RGB 0-255 to (B, C, H / stride, W / stride) coefficients.

    Channel ``64 * colour + 8 * u + v`` is vertical frequency u and horizontal frequency v of
    colour Y, Cb or Cr, of the orthonormal DCT-II.

    Args:
        channels: which channels to make, in their order.
        stride: make the blocks of every so manieth pixel alone.

    """

    kernel: Tensor
    bias: Tensor

    def __init__(self, channels: Sequence[int] = range(CHANNELS), stride: int = 1) -> None:
        super().__init__()
        which = torch.as_tensor(list(channels), dtype=torch.long)
        if not len(which) or int(which.min()) < 0 or int(which.max()) >= CHANNELS:
            raise UsageError(f"channels are numbers from 0 to {CHANNELS - 1}, and at least one")
        if stride < 1:
            raise UsageError(f"stride must be at least 1, got {stride}")
        self.stride = stride
        self.register_buffer("kernel", kernels()[which].float(), persistent=False)
        self.register_buffer("bias", biases()[which].float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return transformed(x, self.kernel, self.bias, self.stride)


def transformed(x: Tensor, kernel: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Convolve (B, 3, H, W) RGB 0-255, its border repeated, with (C, 3, 3, 3) kernels."""
    # Channels last: more than twice as fast on processors, close to writing the result once.
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate").contiguous(memory_format=torch.channels_last)
    last = kernel.to(x).contiguous(memory_format=torch.channels_last)
    return F.conv2d(padded, last, bias.to(x), stride=stride)


def kernels() -> Tensor:
    """(192, 3, 3, 3) float64: what each channel makes of RGB in a pixel's neighbourhood."""
    line = _cosines() @ _enlarging()
    plane = torch.einsum("ui,vj->uvij", line, line).reshape(PER_COLOUR, 3, 3)
    colours = torch.tensor(TO_YCBCR, dtype=torch.float64)
    return torch.einsum("cr,fij->cfrij", colours, plane).reshape(CHANNELS, 3, 3, 3)


def biases() -> Tensor:
    """(192,) float64: the middle of the luma is 0, which its mean alone feels."""
    out = torch.zeros(CHANNELS, dtype=torch.float64)
    out[0] = -_MIDDLE * BLOCK
    return out


def deviations(likeness: float = 0.95) -> Tensor:
    """(192,) float64: how much each channel varies in photos, in grey levels, but for a factor.

    Of photos whose neighbouring pixels are as alike as ``likeness`` says, in rows and in columns
    (an autoregressive model of first order, the usual one for photos).
    """
    at = torch.arange(3, dtype=torch.float64)
    alike = likeness ** (at[:, None] - at[None]).abs()
    line = _cosines() @ _enlarging()
    along = ((line @ alike) * line).sum(dim=1)
    plane = torch.outer(along, along).sqrt().flatten()
    return plane.repeat(3)


def _cosines() -> Tensor:
    """(8, 8) orthonormal DCT-II: frequencies by places."""
    at = torch.arange(BLOCK, dtype=torch.float64)
    table = torch.cos(math.pi * at[:, None] * (at[None] + 0.5) / BLOCK)
    table[0] /= math.sqrt(2)
    return table * math.sqrt(2 / BLOCK)


def _enlarging() -> Tensor:
    """(8, 3): a block's places from the pixel before, the pixel itself and the one after."""
    offset = (torch.arange(BLOCK, dtype=torch.float64) + 0.5) / BLOCK - 0.5
    before, after = (-offset).clamp(min=0), offset.clamp(min=0)
    return torch.stack([before, 1 - before - after, after], dim=1)
