"""Regions of a face that a mixture hides more than the rest: eyes, nose and mouth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bauta.errors import UsageError
from bauta.faces.face import EYE_DISTANCE, TEMPLATES

#: Regions, with which landmarks they lie around: eyes, nose tip, corners of the mouth.
REGIONS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "eyes": ((0,), (1,)),
    "nose": ((2,),),
    "mouth": ((3, 4),),
}
#: How far they reach to the side and up and down, in distances of the eyes.
_REACH = {"eyes": (0.34, 0.24), "nose": (0.30, 0.34), "mouth": (0.46, 0.26)}


def check_strength(strength: Mapping[str, float]) -> None:
    """Check names and ranges.

    Raises:
        UsageError: a region is unknown, or a strength is not a number from 0 to 1.

    """
    for name, value in strength.items():
        if name not in REGIONS:
            raise UsageError(f"unknown region {name!r}: use {', '.join(REGIONS)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UsageError(f"the strength of {name} must lie between 0 and 1, got {value}")


def kept_map(
    strength: Mapping[str, float], to_frame: NDArray[np.float64], size: int, stride: int
) -> Tensor:
    """(H, W) which part of its share a face keeps at each place: 1 far from all regions.

    Args:
        strength: of some of :data:`REGIONS`, 0 (keeps all) to 1 (nothing, in the very middle).
        to_frame: (2, 3) map from the crop's pixels to the canonical frame.
        size: side of the crop in pixels.
        stride: how much smaller the map is.

    """
    check_strength(strength)
    back = np.linalg.inv(np.vstack([to_frame, [0, 0, 1]]))[:2]
    points = TEMPLATES["yunet5"] @ back[:, :2].T + back[:, 2]
    unit = EYE_DISTANCE * np.sqrt(abs(np.linalg.det(back[:, :2])))
    at = np.arange(0, size, stride, dtype=np.float64)
    kept = np.ones((len(at), len(at)))
    for name, value in strength.items():
        across, along = (unit * reach for reach in _REACH[name])
        for group in REGIONS[name]:
            x, y = points[list(group)].mean(axis=0)
            # A flat top with soft edges: no outline is left that would tell where it is.
            away = ((at[None] - x) / across) ** 2 + ((at[:, None] - y) / along) ** 2
            kept = np.minimum(kept, 1 - value * np.exp(-(away**2)))
    return torch.from_numpy(kept).float()
