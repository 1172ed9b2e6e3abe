"""Reading a mark off a face, however it lies there now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.engine.transforms import Jitter
from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import about_centre, warp
from bauta.watermark.codes import BITS
from bauta.watermark.marking import network_frames
from bauta.watermark.network import SIDE, Decoder

#: Looks at a face besides the plain one, each as if it lay a little elsewhere.
_LOOKS = 4
_ELSEWHERE = Jitter(scale=1.03, rotation=0.02, shift=0.01)
_SEED = 0


@dataclass(frozen=True, eq=False)
class Reading:
    """What a decoder reads in a face.

    Attributes:
        logits: (L, 64) log odds that a bit is 1: the means of all looks, as the face is and
            mirrored, then look by look.

    """

    logits: NDArray[np.float32]

    @property
    def bits(self) -> NDArray[np.bool_]:
        """(L, 64) the likelier answers."""
        return self.logits > 0

    @property
    def certainty(self) -> float:
        """Mean absolute log odds of a bit, the greater of both means: how loud a mark is."""
        return float(np.abs(self.logits[:2]).mean(axis=1).max())


@torch.no_grad()
def read_faces(photo: NDArray[np.uint8], faces: Sequence[Face], decoder: Decoder) -> list[Reading]:
    """Read the marks of faces.

    Args:
        photo: (H, W, 3) uint8 RGB.
        faces: N faces.
        decoder: in evaluation mode.

    """
    if not faces:
        return []
    device = next(decoder.parameters()).device
    frames = network_frames(cut_canvas([photo] * len(faces), faces).to(device))
    return [_read(frame[None], decoder) for frame in frames]


def _read(frame: Tensor, decoder: Decoder) -> Reading:
    looks = _looks(frame)
    plain, mirrored = decoder(torch.cat([looks, looks.flip(3)])).cpu().numpy().reshape(2, -1, BITS)
    means = [plain.mean(axis=0), mirrored.mean(axis=0)]
    return Reading(np.concatenate([np.stack(means), plain, mirrored]))


def _looks(frame: Tensor) -> Tensor:
    """(1 + L, 3, 128, 128) a frame, and as it would be if its face had been found elsewhere."""
    generator = torch.Generator().manual_seed(_SEED)
    maps = about_centre(_ELSEWHERE.draw(_LOOKS, generator), SIDE)
    many = frame.expand(_LOOKS, -1, -1, -1)
    return torch.cat([frame, warp(many, maps.to(frame), (SIDE, SIDE))])
