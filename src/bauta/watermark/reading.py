"""Reading a mark off a face, however it lies there now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.faces.face import Face
from bauta.faces.frame import cut_canvas
from bauta.faces.geometry import about_centre, warp
from bauta.watermark.codes import BITS
from bauta.watermark.marking import network_frames
from bauta.watermark.network import SIDE, Decoder

#: Scales and turns (in radians) at which a face is looked at, for its landmarks may have been found
#: elsewhere: of forty photos of LFW two were found anew 9 and 16 % larger.
_ELSEWHERE = (
    (1.0, 0.0), (0.87, 0.0), (0.93, 0.0), (1.075, 0.0), (1.155, 0.0),
    (1.0, 0.035), (1.0, -0.035), (1.08, 0.035), (1.08, -0.035),
)  # fmt: skip


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
    return Reading(np.concatenate([_mean(plain), _mean(mirrored), plain, mirrored]))


def _mean(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """(1, 64) mean of (L, 64) looks, in which the loud ones count more."""
    weights = np.abs(logits).mean(axis=1, keepdims=True) ** 4
    mean: NDArray[np.float32] = (weights * logits).sum(axis=0, keepdims=True) / weights.sum()
    return mean


def _looks(frame: Tensor) -> Tensor:
    """(L, 3, 128, 128) a frame, and as it would be if its face had been found elsewhere."""
    rows = [
        [[scale * math.cos(turn), -scale * math.sin(turn), 0.0],
         [scale * math.sin(turn), scale * math.cos(turn), 0.0]]
        for scale, turn in _ELSEWHERE
    ]  # fmt: skip
    maps = about_centre(torch.tensor(rows), SIDE).to(frame)
    return warp(frame.expand(len(maps), -1, -1, -1), maps, (SIDE, SIDE))
