"""Reading a mark off a face, however it lies there now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.transforms import Jitter
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import about_centre, warp
from bauta.watermark.marking import network_frames
from bauta.watermark.network import SIDE, Decoder

#: Looks at a face besides the plain one, each as if it lay a little elsewhere.
_LOOKS = 6
_ELSEWHERE = Jitter(scale=1.03, rotation=0.02, shift=0.01)
_SEED = 0


@torch.no_grad()
def read_faces(
    photo: NDArray[np.uint8], faces: Sequence[Face], decoder: Decoder
) -> NDArray[np.float32]:
    """What a decoder reads in faces.

    Args:
        photo: (H, W, 3) uint8 RGB.
        faces: N faces.
        decoder: in evaluation mode.

    Returns:
        (N, L, 64) log odds that a bit is 1: the mean of all looks first, then look by look.

    """
    device = next(decoder.parameters()).device
    frames = network_frames(cut_canvas([photo] * len(faces), faces).to(device))
    logits = torch.stack([decoder(_looks(frame[None])) for frame in frames])
    return torch.cat([logits.mean(dim=1, keepdim=True), logits], dim=1).cpu().numpy()


def certainty(logits: NDArray[np.float32]) -> float:
    """Mean absolute log odds of a bit, in the (64,) mean over looks: how loud a mark is."""
    return float(np.abs(logits).mean())


def _looks(frame: Tensor) -> Tensor:
    """(1 + L, 3, 128, 128) a frame, and as it would be if its face had been found elsewhere."""
    generator = torch.Generator().manual_seed(_SEED)
    maps = about_centre(_ELSEWHERE.draw(_LOOKS, generator), SIDE)
    many = frame.expand(_LOOKS, -1, -1, -1)
    return torch.cat([frame, warp(many, maps.to(frame), (SIDE, SIDE))])
